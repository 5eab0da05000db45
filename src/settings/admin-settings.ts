import { join, resolve } from "node:path";
import { canonicalIp } from "./address.ts";
import type { AdminConfig, CheckedConfig } from "./checked-config.ts";
import type { AdminSettings } from "./settings.ts";

/** `deployment.admin`; `null` where this node has no Admin API. */
export function adminSettings(config: CheckedConfig, prefix: string): AdminSettings | null {
  const { apisix, deployment } = config;
  if (!apisix.enable_admin || deployment.role === "data_plane") return null;
  const { admin } = deployment;
  const keys = (admin.admin_key ?? []).map(({ name = "", key = "", role = "admin" }) => ({
    name,
    key: String(key),
    role,
  }));
  return {
    listen: adminAddress(admin),
    keys: keys.filter(({ key }) => key !== ""),
    keyRequired: admin.admin_key_required,
    generatedKeyFile:
      keys.length === 0 || keys.some(({ key }) => key === "") ? join(prefix, "data", "admin.key") : null,
    allow: admin.allow_admin.length === 0 ? null : admin.allow_admin.filter((network) => network !== "unix:"),
    cors: admin.enable_admin_cors,
    version: admin.admin_api_version,
    tls: admin.https_admin ? tlsFiles(admin, prefix) : null,
  };
}

/** Where the Admin API listens; operators' listeners are on loopback unless somebody else is admitted. */
export function adminAddress({ admin_listen: { ip, port }, allow_admin: allow }: AdminConfig): AdminSettings["listen"] {
  const local = allow.length > 0 && allow.every((network) => /^(127\.|::1(\/128)?$|unix:)/.test(network));
  return { ip: canonicalIp(ip ?? (local ? "127.0.0.1" : "0.0.0.0")), port };
}

function tlsFiles({ admin_api_mtls: files }: AdminConfig, prefix: string): AdminSettings["tls"] {
  const path = (file: string | undefined): string | null =>
    file === undefined || file === "" ? null : resolve(prefix, file);
  return {
    certFile: path(files.admin_ssl_cert),
    keyFile: path(files.admin_ssl_cert_key),
    caFile: path(files.admin_ssl_ca_cert),
  };
}

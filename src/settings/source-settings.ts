import { join } from "node:path";
import type { CheckedConfig, EtcdConfig } from "./checked-config.ts";
import { type KeyPath, pathsTouch } from "./key-path.ts";
import type { Report } from "./report.ts";
import type { EtcdSettings, SourceSettings } from "./settings.ts";

/** What `deployment.etcd` says where it is not written. */
const defaultEtcd: EtcdConfig = {
  host: ["http://127.0.0.1:2379"],
  prefix: "/apisix",
  timeout: 30,
  watch_timeout: 50,
  health_check_timeout: 10,
  startup_retry: 2,
};

/**
 * Where the configuration comes from; `null` where that is reported as an error, now or before.
 * `profile` is APISIX_PROFILE: `dev` reads conf/apisix-dev.yaml.
 */
export function chooseSource(
  deployment: CheckedConfig["deployment"],
  place: { readonly prefix: string; readonly profile: string },
  invalid: readonly KeyPath[],
  report: Report,
): SourceSettings | null {
  const { role } = deployment;
  const path: KeyPath = ["deployment", `role_${role}`, "config_provider"];
  const relevant: readonly KeyPath[] = [path, ["deployment", "role"], ["deployment", "etcd"]];
  if (invalid.some((other) => relevant.some((mine) => pathsTouch(other, mine)))) return null;

  const provider = providerOf(deployment);
  switch (provider) {
    case "yaml":
      // A traditional node without a store: whole configurations are pushed through the Admin API.
      if (role === "traditional") return { kind: "api" };
      return { kind: "yaml", file: join(place.prefix, "conf", profiled("apisix", place.profile, "yaml")) };
    case "json":
      return { kind: "json", file: join(place.prefix, "conf", profiled("apisix", place.profile, "json")) };
    case "embedded":
      return { kind: "embedded", file: join(place.prefix, "data", "turnpike.db") };
    case "etcd":
      return { kind: "etcd", etcd: etcdSettings(deployment.etcd ?? defaultEtcd) };
    default:
      report.error(path, `config_provider ${provider} is not available in this version; expected etcd, yaml or json`);
      return null;
  }
}

function providerOf(deployment: CheckedConfig["deployment"]): string {
  const written = deployment[`role_${deployment.role}`].config_provider;
  return written ?? (deployment.etcd === undefined ? "embedded" : "etcd");
}

function etcdSettings(etcd: EtcdConfig): EtcdSettings {
  const { tls } = etcd;
  return {
    hosts: etcd.host.map((host) => host.replace(/\/+$/, "")),
    prefix: etcd.prefix,
    user: etcd.user ?? null,
    password: etcd.password ?? null,
    timeoutMs: Number(etcd.timeout) * 1000,
    watchTimeoutMs: Number(etcd.watch_timeout) * 1000,
    healthCheckTimeoutMs: Number(etcd.health_check_timeout) * 1000,
    startupRetry: Number(etcd.startup_retry),
    tls:
      tls === undefined
        ? null
        : {
            certFile: tls.cert ?? null,
            keyFile: tls.key ?? null,
            caFile: tls.ca ?? null,
            verify: tls.verify,
            serverName: tls.sni ?? null,
          },
  };
}

/** The name of a file in conf/ as APISIX_PROFILE makes it. */
export function profiled(name: string, profile: string, extension: string): string {
  return `${name}${profile === "" ? "" : `-${profile}`}.${extension}`;
}

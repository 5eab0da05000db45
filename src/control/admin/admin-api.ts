import type { Logger } from "../../observe/logger.ts";
import type { Address, AdminSettings } from "../../settings/settings.ts";
import type { ResourceCheck } from "../../store/check-resource.ts";
import { compileKeyCheck, noKeyCheck, type KeyCheck } from "./admin-keys.ts";
import { page, unknownMethod } from "./answers.ts";
import { buildPluginsHandler, buildSchemaHandler } from "./catalogue-endpoints.ts";
import type { AdminCatalogue } from "./catalogue.ts";
import type { ResourceDeps } from "./deps.ts";
import type { AdminHandler, AdminRequest } from "./exchange.ts";
import { readGeneratedKey } from "./generated-key.ts";
import { buildResourceHandler } from "./resources.ts";
import { createAdminServer } from "./server.ts";
import { validateConfigs } from "./validate-configs.ts";

/** Bytes of a request body, as in APISIX. */
const BODY_LIMIT = 1.5 * 1024 * 1024;
/** Bytes of a whole configuration (`configs`, `configs/validate`). */
const CONFIGS_LIMIT = 64 * 1024 * 1024;

/** What an Admin API is made of. */
export interface AdminApiDeps {
  readonly settings: AdminSettings;
  readonly log: Logger;
  /** The `Server` header of answers. */
  readonly serverName: string;
  /** Resources by key (embedded store, etcd), or the handler of `configs` where whole configurations are pushed. */
  readonly content: AdminResources | { readonly configs: AdminHandler };
}

/** Resources by key, and what is known of plugins and schemas. */
export interface AdminResources {
  readonly resources: Omit<ResourceDeps, "rules" | "version">;
  readonly catalogue: AdminCatalogue;
  /** What whole configurations are checked with, `POST configs/validate`. */
  readonly check: ResourceCheck;
  /** `PUT plugins/reload`. */
  reloadPlugins(): Promise<void>;
}

/** The Admin API of a node. */
export interface AdminApi {
  /** Resolves with the address bound; rejects with Node's error (`EADDRINUSE`, …). */
  listen(): Promise<Address>;
  /** Lets requests that are being answered end, for a moment. */
  close(): Promise<void>;
}

/**
 * Creates the Admin API. Where config.yaml leaves a key open, it is read from
 * `data/admin.key`, or made there; the log says where it is, never what it is.
 * Throws `SETTINGS_INVALID` where that file or those of `https_admin` cannot be used.
 */
export function createAdminApi({ settings, log, serverName, content }: AdminApiDeps): AdminApi {
  const server = createAdminServer({
    settings,
    checkKey: buildKeyCheck(settings, log),
    handler: "configs" in content ? buildConfigsOnly(content.configs) : buildHandler(settings, content),
    bodyLimit: ([first]) => (first === "configs" ? CONFIGS_LIMIT : BODY_LIMIT),
    serverName,
    log,
  });
  return {
    async listen() {
      const address = await server.listen(settings.listen);
      log.notice(`Admin API on ${settings.tls === null ? "http" : "https"}://${formatAddress(address)}/apisix/admin`);
      return address;
    },
    close: () => server.close(),
  };
}

function buildKeyCheck(settings: AdminSettings, log: Logger): KeyCheck {
  if (!settings.keyRequired) {
    log.warn("Admin API: admin_key_required is false, everybody who reaches it may change everything");
    return noKeyCheck;
  }
  const { generatedKeyFile: file } = settings;
  if (file === null) return compileKeyCheck(settings.keys);
  const { key, fresh } = readGeneratedKey(file);
  log.notice(`Admin API: the key of role admin ${fresh ? "has been generated: it is" : "is"} in ${file}`);
  return compileKeyCheck([...settings.keys, { name: "generated", key, role: "admin" }]);
}

function buildHandler(settings: AdminSettings, content: AdminResources): AdminHandler {
  const { catalogue } = content;
  const { version } = settings;
  const resources = buildResourceHandler({ ...content.resources, rules: catalogue, version });
  const endpoints = { catalogue, version, reloadPlugins: () => content.reloadPlugins() };
  const plugins = buildPluginsHandler(endpoints);
  const schema = buildSchemaHandler(endpoints);
  return (request) => {
    // APISIX has it for whole configurations alone.
    if (request.method === "HEAD") return unknownMethod("HEAD");
    switch (request.path[0]) {
      case "plugins":
        return plugins(request);
      case "schema":
        return schema(request);
      case "configs":
        return isValidation(request) ? validateConfigs(content.check, request) : resources(request);
      default:
        return resources(request);
    }
  };
}

/** `POST configs/validate`, all that there is of `configs` where resources are kept by key. */
const isValidation = ({ method, path: [, action, ...more] }: AdminRequest): boolean =>
  method === "POST" && action === "validate" && more.length === 0;

/** Whole configurations are all that there is. */
function buildConfigsOnly(configs: AdminHandler): AdminHandler {
  return (request) =>
    request.path[0] === "configs"
      ? configs(request)
      : page(404, "this node takes whole configurations: /apisix/admin/configs");
}

const formatAddress = ({ ip, port }: Address): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);

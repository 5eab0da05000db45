import { versioned } from "./answer-form.ts";
import { refuse } from "./answers.ts";
import type { Subsystem } from "../../plugin/plugin.ts";
import type { AdminCatalogue } from "./catalogue.ts";
import type { AdminAnswer, AdminHandler, AdminRequest } from "./exchange.ts";
import { parseBody } from "./json-body.ts";
import { resourceKind } from "./resource-kinds.ts";

/** What the endpoints of plugins and schemas are made of. */
export interface CatalogueEndpoints {
  readonly catalogue: AdminCatalogue;
  readonly version: "v3" | "v2";
  /** `PUT plugins/reload`. */
  reloadPlugins(): Promise<void>;
}

const notFound = (subsystem: string): AdminAnswer => refuse(404, `plugin not found in subsystem ${subsystem}`);

/** Builds the handler of `plugins`. */
export function buildPluginsHandler({ catalogue, version, reloadPlugins }: CatalogueEndpoints): AdminHandler {
  return async (request) => {
    const { method, path, query } = request;
    const [, name, more] = path;
    if (name === "reload" && more === undefined) {
      if (method !== "PUT") {
        return refuse(405, `please use PUT method to reload the plugins, ${method} method is not allowed.`);
      }
      await reloadPlugins();
      return { status: 200, body: "done" };
    }
    if (method !== "GET") return versioned(notAllowed(request), version);
    const subsystem = subsystemOf(query);
    if (subsystem === null) return { status: 400, body: "invalid subsystem passed" };
    if (query.get("all") === "true" && name !== "list") {
      return versioned({ status: 200, body: catalogue.pluginAttributes(subsystem) }, version);
    }
    // With a slash at its end APISIX takes `list` for the name of a plugin.
    if (name === "list" && more === undefined && request.trailingSlash !== true)
      return { status: 200, body: catalogue.pluginNames(subsystem) };
    return versioned(pluginSchema(catalogue, name, query, subsystem), version);
  };
}

/** Builds the handler of `schema`. */
export function buildSchemaHandler({ catalogue, version }: CatalogueEndpoints): AdminHandler {
  return (request) => {
    const { method, path, query } = request;
    const [, name, second] = path;
    if (name === "validate" && method === "POST") return validate(catalogue, request);
    if (method !== "GET") return versioned(notAllowed(request), version);
    return versioned(readSchema(catalogue, name, second, query), version);
  };
}

function readSchema(
  catalogue: AdminCatalogue,
  name: string | undefined,
  plugin: string | undefined,
  query: URLSearchParams,
): AdminAnswer {
  if (name === undefined) return refuse(400, "missing the name of a schema: expected schema/<name>");
  if (name === "plugins") {
    const subsystem = subsystemOf(query);
    if (subsystem === null) return { status: 400, body: "invalid subsystem passed" };
    return pluginSchema(catalogue, plugin, query, subsystem);
  }
  const schema = catalogue.namedSchema(name);
  return schema === null ? refuse(400, `not found schema: ${name}`) : { status: 200, body: schema };
}

function pluginSchema(
  catalogue: AdminCatalogue,
  name: string | undefined,
  query: URLSearchParams,
  subsystem: Subsystem,
): AdminAnswer {
  const schema = name === undefined ? null : catalogue.pluginSchema(name, subsystem, query.get("schema_type"));
  return schema === null ? notFound(subsystem) : { status: 200, body: schema };
}

/** `POST schema/validate/<kind>`: the JSON Schema alone, nothing is written. */
function validate(catalogue: AdminCatalogue, { path, body }: AdminRequest): AdminAnswer {
  const name = path[2];
  const kind = name === undefined ? null : resourceKind(name);
  if (name === undefined) return refuse(400, "missing a kind: expected schema/validate/<kind>");
  const unchecked = name === "plugins" || name === "schema" || name === "secrets" || name === "plugin_metadata";
  if (unchecked) return refuse(400, `${name} cannot be validated without an id`);
  if (kind === null) return refuse(404, `Unsupported resource type: ${name}`);
  const parsed = parseBody(body);
  if ("answer" in parsed) return parsed.answer;
  const { value } = parsed;
  // Lua's empty table.
  const given = Array.isArray(value) && value.length === 0 ? {} : (value ?? null);
  const error = catalogue.validateSchema(kind.kind, given);
  return error === null ? { status: 200, body: null } : refuse(400, error);
}

function subsystemOf(query: URLSearchParams): Subsystem | null {
  const given = query.get("subsystem") ?? "http";
  return given === "http" || given === "stream" ? given : null;
}

const notAllowed = ({ method, path }: AdminRequest): AdminAnswer =>
  refuse(405, `not supported \`${method}\` method for ${path.join("/")}`);

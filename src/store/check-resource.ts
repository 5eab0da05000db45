import { canonicalJson } from "../lib/canonical-json.ts";
import { nearestName } from "../lib/nearest-name.ts";
import type { PluginRegistry } from "../plugin/plugin.ts";
import { parseCredentialKey } from "../schema/credential.ts";
import type { JsonSchema } from "../schema/json-schema.ts";
import type { Kind } from "../schema/kinds.ts";
import type { PluginConf } from "../schema/plugins.ts";
import { checkRules } from "../schema/rules.ts";
import { schemaFaults, validateOwned, validatorOf } from "../schema/validate.ts";
import { formatPath } from "../source/document.ts";
import { checkPlugins, compilePlugins, plainFault, toFault, type Fault, type PluginCheck } from "./check-plugins.ts";
import { buildResource, type Resource } from "./resource.ts";

/** What resources are checked with. */
export interface ResourceCheck {
  /** The plugins that configurations may name. */
  readonly plugins: PluginRegistry;
  /** `plugin_attr` of config.yaml. */
  readonly pluginAttr?: Readonly<Record<string, unknown>>;
  /** Why a resource that passed every other check cannot be served by this version; `null` where it can. */
  readonly checkSupport?: (kind: Kind, resource: unknown) => string | null;
  /** What to say of a plugin that `plugins` does not have, beside its name; `null` where there is nothing. */
  readonly explainPlugin?: (name: string) => string | null;
}

/** Kinds whose entries get their position as id where they have none; the others need an id by their schema. */
const numbered = new Set<Kind>(["routes", "services", "upstreams", "ssls", "protos", "stream_routes"]);

/** Why a resource is refused: its first fault. */
export interface Refusal {
  /** The reason as it is shown. */
  readonly error: string;
  /** Where, as in `upstream.nodes`; `""`: the resource as a whole. */
  readonly field: string;
  /** The reason word for word as APISIX's Admin API gives it. */
  readonly apisixError: string;
}

/**
 * Checks one resource by itself: schema, rules, plugins. `value` is the caller's to
 * give away; it is changed.
 */
export function checkResource(kind: Kind, id: string, value: unknown, check: ResourceCheck): Resource | Refusal {
  const prepared = prepare(kind, id, value);
  if (prepared !== null) return refuseBySchema(prepared);
  const validation = validateOwned(kind, value, id);
  if ("error" in validation) return refuseBySchema(toFault(validation.fault));
  const resource = validation.value as Record<string, unknown>;
  const [ruleFault] = checkRules(kind, resource);
  if (ruleFault !== undefined) return refuse(toFault(ruleFault));
  const [metadataFault] = checkMetadata(kind, resource, check.plugins);
  if (metadataFault !== undefined) return refuse(metadataFault);

  const plugins = resource.plugins as Record<string, PluginConf> | undefined;
  const pluginCheck = pluginCheckOf(kind, check, false);
  const [pluginFault] = plugins === undefined ? [] : checkPlugins(plugins, pluginCheck);
  if (pluginFault !== undefined) return refuse(pluginFault);
  const unsupported = check.checkSupport?.(kind, resource) ?? null;
  if (unsupported !== null) return refuse(plainFault(pathIn(unsupported), unsupported));
  // Made before plugins see the configuration: nothing that they do to it may travel.
  const text = canonicalJson(resource);
  const [compileFault] = plugins === undefined ? [] : compilePlugins(plugins, pluginCheck);
  if (compileFault !== undefined) return refuse(compileFault);
  return buildResource(kind, id, resource, text, check.plugins);
}

function refuse({ path, message, words }: Fault): Refusal {
  return { error: message, field: formatPath(path), apisixError: words };
}

/** APISIX says of a schema's faults, and of these alone, that the configuration is invalid. */
function refuseBySchema(fault: Fault): Refusal {
  const refusal = refuse(fault);
  return { ...refusal, apisixError: `invalid configuration: ${refusal.apisixError}` };
}

/** Every fault of one resource by itself; `value` is changed. */
export function findFaults(kind: Kind, id: string, value: unknown, check: ResourceCheck): readonly Fault[] {
  const prepared = prepare(kind, id, value);
  if (prepared !== null) return [prepared];
  const bySchema = schemaFaults(kind, value, id);
  const faults = bySchema.map(toFault);
  const resource = value as Record<string, unknown>;
  if (rulesApply(kind, faults)) faults.push(...checkRules(kind, resource).map(toFault));
  faults.push(...checkMetadata(kind, resource, check.plugins));
  const { plugins } = resource;
  if (typeof plugins === "object" && plugins !== null && !Array.isArray(plugins)) {
    const configurations = plugins as Record<string, PluginConf>;
    const pluginCheck = pluginCheckOf(kind, check, true);
    const byPlugins = checkPlugins(configurations, pluginCheck);
    const wrong = new Set(byPlugins.map(({ path: [, name] }) => name));
    const rest = Object.entries(configurations).filter(([name]) => !wrong.has(name));
    faults.push(...byPlugins, ...compilePlugins(Object.fromEntries(rest), pluginCheck));
  }
  if (faults.length > 0) return faults;
  const unsupported = check.checkSupport?.(kind, resource) ?? null;
  return unsupported === null ? [] : [plainFault(pathIn(unsupported), unsupported)];
}

/** Rules may only look at what has the right shape. */
function rulesApply(kind: Kind, faults: readonly Fault[]): boolean {
  if (kind === "upstreams" || kind === "ssls") return faults.length === 0;
  return faults.every(({ path: [field] }) => field !== "upstream" && field !== "protocol");
}

/** Puts the id in and takes out what only the transport of a standalone document knows. */
function prepare(kind: Kind, id: string, value: unknown): Fault | null {
  const resource = value as Record<string, unknown>;
  for (const field of ["modifiedIndex", "createdIndex"]) {
    const index = resource[field];
    if (index === undefined) continue;
    if (!Number.isInteger(index)) {
      const detail = `wrong type: expected integer, got ${typeof index}`;
      const message = `property "${field}" validation failed: ${detail}`;
      return { path: [field], message, words: message, detail };
    }
    delete resource[field];
  }
  if (kind === "consumers") resource.id = id;
  else if (kind === "credentials") resource.id = parseCredentialKey(id)?.id ?? id;
  else if (resource.id === undefined && numbered.has(kind)) resource.id = id;
  return null;
}

/** Plugin metadata has the schema of its plugin. */
function checkMetadata(kind: Kind, resource: Record<string, unknown>, plugins: PluginRegistry): readonly Fault[] {
  if (kind !== "plugin_metadata") return [];
  const definition = plugins.get(String(resource.id));
  if (definition === undefined) {
    const near = nearestName(String(resource.id), plugins.keys());
    const words = "invalid plugin name";
    return [{ ...plainFault(["id"], near === null ? words : `${words}; did you mean ${near}?`), words }];
  }
  if (definition.metadataSchema === undefined) return [];
  return validatorOf(definition.metadataSchema as JsonSchema)
    .checkAll(resource)
    .map(toFault);
}

function pluginCheckOf(kind: Kind, check: ResourceCheck, all: boolean): PluginCheck {
  const { plugins: registry, pluginAttr: attr = {}, explainPlugin: explain = () => null } = check;
  return { kind, registry, attr, explain, all };
}

/** The field that a reason such as `property "vars" is not supported` names. */
function pathIn(reason: string): readonly string[] {
  const name = /^(?:property "upstream" validation failed: )?property "([^"]+)"/.exec(reason)?.[1];
  if (name === undefined) return [];
  return reason.startsWith('property "upstream"') ? ["upstream", name] : name.split(".");
}

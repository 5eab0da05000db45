import { canonicalJson } from "../lib/canonical-json.ts";
import { nearestName } from "../lib/nearest-name.ts";
import type { ConfCheck, PluginRegistry } from "../plugin/plugin.ts";
import { parseCredentialKey } from "../schema/credential.ts";
import type { JsonSchema } from "../schema/json-schema.ts";
import type { Kind } from "../schema/kinds.ts";
import type { PluginConf } from "../schema/plugins.ts";
import { checkRules } from "../schema/rules.ts";
import { checkForms, copyOfJson, schemaFaults, validateOwned, validatorOf } from "../schema/validate.ts";
import { formatPath } from "../source/document.ts";
import { checkPlugins, plainFault, toFault, type Fault, type PluginCheck } from "./check-plugins.ts";
import { maskValues } from "./mask.ts";
import { restoreReferences, substituteReferences, type ReferenceLookup } from "./secret-references.ts";
import { checkServable, registryFor, type ServableCheck } from "./check-servable.ts";
import { buildResource, type Resource } from "./resource.ts";

/** What resources are checked with. */
export interface ResourceCheck extends ServableCheck {
  /** The plugins that configurations may name, whether this version can run them or not. */
  readonly plugins: PluginRegistry;
  /** `plugin_metadata` as it is; absent where it cannot be looked up. */
  readonly metadata?: ConfCheck["metadata"];
  /** What references to secrets stand for; absent: they are taken as they are written. */
  readonly lookupSecret?: ReferenceLookup;
}

const STAPLING = "ocsp-stapling";

/** Kinds whose entries get their position as id where they have none; the others need an id by their schema. */
const numbered = new Set<Kind>(["routes", "services", "upstreams", "ssls", "protos", "stream_routes"]);

/**
 * Whether a resource is valid by APISIX's rules: schema, rules, plugins, but no
 * references to other resources. The text is what APISIX's Admin API answers as
 * `error_msg`; it may hold values that were sent. `null`: valid, and `checkServable`
 * can tell whether this node can serve it. `value` stays as it is.
 */
export function validate(kind: Kind, id: string, value: unknown, check: ResourceCheck): string | null {
  const copy = copyOfJson(value);
  const table = Array.isArray(copy) ? tableOf(copy) : copy;
  const fault = firstFault(kind, id, table, check);
  if (fault !== null) return fault.answer;
  return table === copy ? null : "invalid configuration: wrong type: expected object, got table";
}

/**
 * Why this node cannot serve a valid resource (see `validate`), or `null` where it
 * can. Such a resource may be kept for others; the store goes on serving its previous
 * version here. `value` stays as it is.
 */
export function servingFault(kind: Kind, id: string, value: unknown, check: ResourceCheck): string | null {
  const copy = copyOfJson(value);
  if (firstFault(kind, id, copy, check) !== null) return null;
  return checkServable(kind, copy, check)[0]?.message ?? null;
}

/** A list as Lua sees it, whose keys count from 1: APISIX looks for fields in it before anything else. */
const tableOf = (list: readonly unknown[]): object =>
  Object.fromEntries(list.map((value, index) => [String(index + 1), value]));

/** The first thing that is wrong by APISIX's rules. Fills defaults into `value`. */
function firstFault(kind: Kind, id: string, value: unknown, check: ResourceCheck): Fault | null {
  const forms = checkForms(kind, value);
  if (forms !== null) return toFault(forms);
  const validation = validateOwned(kind, value, id);
  if ("error" in validation) {
    const fault = toFault(validation.fault);
    return { ...fault, answer: `invalid configuration: ${fault.answer}` };
  }
  const resource = validation.value as Record<string, unknown>;
  const [rule] = checkRules(kind, resource);
  if (rule !== undefined) return toFault(rule);
  const [stapling] = checkStapling(kind, resource, check);
  if (stapling !== undefined) return stapling;
  const [metadata] = checkMetadata(kind, resource, check);
  if (metadata !== undefined) return metadata;
  const plugins = resource.plugins as Record<string, PluginConf> | undefined;
  return (plugins === undefined ? undefined : checkPlugins(plugins, pluginCheckOf(kind, check, false))[0]) ?? null;
}

/** `validate` for an entry of a whole configuration, which may have no id and may say its index; `value` is changed. */
export function validateEntry(kind: Kind, id: string, value: unknown, check: ResourceCheck): string | null {
  return (prepare(kind, id, value) ?? firstFault(kind, id, value, check))?.answer ?? null;
}

/** Why a resource is refused: its first fault. */
export interface Refusal {
  /** The reason as it is shown. */
  readonly error: string;
  /** Where, as in `upstream.nodes`; `""`: the resource as a whole. */
  readonly field: string;
}

/**
 * Checks one resource by itself: that the secrets it refers to are known, that it is
 * valid with them, and that this node can serve it. `value` is the caller's to give
 * away; it is changed.
 */
export function checkResource(kind: Kind, id: string, value: unknown, check: ResourceCheck): Resource | Refusal {
  try {
    return checkOne(kind, id, value, check);
  } catch (thrown) {
    // The others must not be lost for it. A message may quote what was checked, a place in the sources does not.
    return { error: `cannot be checked, by a fault of the gateway: ${placeOf(thrown)}`, field: "" };
  }
}

/** What was thrown and where, without its message. */
function placeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return typeof thrown;
  const place = /\/(src\/[\w./-]+:\d+):\d+\)?$/m.exec(thrown.stack ?? "")?.[1];
  return place === undefined ? thrown.name : `${thrown.name} in ${place}`;
}

function checkOne(kind: Kind, id: string, value: unknown, check: ResourceCheck): Resource | Refusal {
  const { value: clear, secrets, faults } = substituteReferences(kind, value, check.lookupSecret ?? asWritten);
  if (faults[0] !== undefined) return refuse(faults[0]);
  const invalid = prepare(kind, id, clear) ?? firstFault(kind, id, clear, check);
  if (invalid !== null) return refuse(withoutSecrets(invalid, secrets));
  const text = canonicalJson(clear);
  const [fault] = checkServable(kind, clear, check, text);
  if (fault !== undefined) return refuse(withoutSecrets(fault, secrets));
  const shown = clear === value ? undefined : canonicalJson(restoreReferences(kind, clear, value));
  return buildResource(kind, id, clear, text, check.plugins, shown);
}

/** For checks that are made away from a running gateway. */
const asWritten: ReferenceLookup = (reference) => ({ value: reference });

function refuse({ path, message }: Fault): Refusal {
  return { error: message, field: formatPath(path) };
}

/** What was put in for references must not come out as a reason. */
function withoutSecrets(fault: Fault, secrets: ReadonlySet<string>): Fault {
  const { message, detail, answer } = fault;
  if (secrets.size === 0) return fault;
  const mask = (text: string): string => maskValues(text, secrets);
  return { ...fault, message: mask(message), detail: mask(detail), answer: mask(answer) };
}

/** Every fault of one resource by itself; `value` is changed. */
export function findFaults(kind: Kind, id: string, value: unknown, check: ResourceCheck): readonly Fault[] {
  const prepared = prepare(kind, id, value);
  if (prepared !== null) return [prepared];
  const faults = schemaFaults(kind, value, id).map(toFault);
  const resource = value as Record<string, unknown>;
  if (rulesApply(kind, faults)) faults.push(...checkRules(kind, resource).map(toFault));
  faults.push(...checkStapling(kind, resource, check), ...checkMetadata(kind, resource, check));
  const plugins = configurationsOf(resource);
  if (plugins === null) return faults.length > 0 ? faults : checkServable(kind, resource, check);
  const byPlugins = checkPlugins(plugins, pluginCheckOf(kind, check, true));
  const wrong = new Set(byPlugins.map(({ path: [, name] }) => name));
  const rest = Object.fromEntries(Object.entries(plugins).filter(([name]) => !wrong.has(name)));
  faults.push(...byPlugins);
  // The rest of the resource is asked about once it is valid.
  const whole = faults.length === 0 ? resource : { plugins: rest };
  const servable = faults.length === 0 ? check : { ...check, checkSupport: () => null };
  return [...faults, ...checkServable(kind, whole, servable)];
}

function configurationsOf({ plugins }: Record<string, unknown>): Record<string, PluginConf> | null {
  const usable = typeof plugins === "object" && plugins !== null && !Array.isArray(plugins);
  return usable ? (plugins as Record<string, PluginConf>) : null;
}

/** Fields that rules look into. */
const judged = new Set(["upstream", "protocol", "vars", "remote_addr", "remote_addrs"]);

/** Rules may only look at what has the right shape. */
function rulesApply(kind: Kind, faults: readonly Fault[]): boolean {
  if (kind === "upstreams" || kind === "ssls") return faults.length === 0;
  return faults.every(({ path: [field] }) => !judged.has(String(field)));
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
      return { path: [field], message, detail, answer: `invalid configuration: ${message}` };
    }
    delete resource[field];
  }
  if (kind === "consumers") resource.id = id;
  else if (kind === "credentials") resource.id = parseCredentialKey(id)?.id ?? id;
  else if (resource.id === undefined && numbered.has(kind)) resource.id = id;
  return null;
}

/** In APISIX the plugin adds the field: whoever has not enabled it does not have it. */
function checkStapling(kind: Kind, resource: Record<string, unknown>, { plugins }: ResourceCheck): readonly Fault[] {
  if (kind !== "ssls" || resource.ocsp_stapling === undefined || plugins.has(STAPLING)) return [];
  const detail = "additional properties forbidden, found ocsp_stapling";
  const message = `${detail}; the plugin ${STAPLING} brings it, which is not enabled`;
  return [{ ...plainFault(["ocsp_stapling"], message), answer: `invalid configuration: ${detail}` }];
}

/** Plugin metadata has the schema of its plugin. */
function checkMetadata(kind: Kind, resource: Record<string, unknown>, check: ResourceCheck): readonly Fault[] {
  if (kind !== "plugin_metadata") return [];
  const plugin = check.plugins.get(String(resource.id));
  if (plugin === undefined) {
    const near = nearestName(String(resource.id), check.plugins.keys());
    const message = "invalid plugin name";
    return [{ ...plainFault(["id"], near === null ? message : `${message}; did you mean ${near}?`), answer: message }];
  }
  if (plugin.metadataSchema === undefined) return [];
  return validatorOf(plugin.metadataSchema as JsonSchema)
    .checkAll(resource)
    .map(toFault)
    .map((fault) => ({ ...fault, answer: `invalid configuration: ${fault.answer}` }));
}

function pluginCheckOf(kind: Kind, check: ResourceCheck, all: boolean): PluginCheck {
  const { metadata, pluginAttr = {} } = check;
  const registry = registryFor(kind, check);
  return { kind, registry, all, pluginAttr, ...(metadata === undefined ? {} : { metadata }) };
}

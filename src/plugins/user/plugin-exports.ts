import { reasonOf } from "../../lib/errors.ts";
import type { PluginDefinition } from "../../plugin/plugin.ts";
import { validatorOf } from "../../schema/validate.ts";
import { plugins } from "../index.ts";
import { guarded } from "./guard.ts";

const phases = ["rewrite", "access", "before_proxy", "header_filter", "body_filter", "log"];

/**
 * The plugins that a module exports, under whatever names, so that what they do wrong
 * stays theirs. Throws an Error with the reason where there is none, or where one cannot
 * be used.
 */
export function pluginsOf(exports: Readonly<Record<string, unknown>>): readonly PluginDefinition[] {
  const found = new Map<string, PluginDefinition>();
  for (const [name, value] of Object.entries(exports)) {
    if (!isPlugin(value)) continue;
    const fault = faultOf(value);
    if (fault !== null) throw new Error(`export ${name}: ${fault}`);
    const same = found.get(value.name);
    if (same !== undefined && same !== value) throw new Error(`export ${name}: a second plugin ${value.name}`);
    found.set(value.name, value);
  }
  if (found.size === 0) {
    const names = Object.keys(exports);
    const got = names.length === 0 ? "exports nothing" : `exports ${names.join(", ")}, none of them a plugin`;
    throw new Error(`${got}: export what definePlugin returns, as in \`export const hello = definePlugin({ … })\``);
  }
  return Array.from(found.values(), guarded);
}

function isPlugin(value: unknown): value is PluginDefinition {
  if (typeof value !== "object" || value === null) return false;
  return "name" in value && ("compile" in value || "schema" in value);
}

function faultOf(plugin: PluginDefinition): string | null {
  const { name, priority, schema, version, compile } = plugin as unknown as Record<string, unknown>;
  if (typeof name !== "string" || !/^[A-Za-z][\w.-]{0,99}$/.test(name)) {
    return "name must be text of letters, digits, dashes, points and underscores that begins with a letter";
  }
  if (plugins.has(name)) return `the name ${name} is taken by a plugin of the gateway`;
  if (typeof priority !== "number" || !Number.isFinite(priority)) return "priority must be a number";
  if (version !== undefined && typeof version !== "string") return "version must be text";
  if (typeof compile !== "function") return "compile must be a function that returns the handlers by phase";
  if (typeof schema !== "object" || schema === null) return "schema must be a JSON Schema of an object";
  for (const [place, part] of [
    ["schema", schema],
    ["consumerSchema", plugin.consumerSchema],
    ["metadataSchema", plugin.metadataSchema],
  ] as const) {
    if (part === undefined) continue;
    if ((part as { type?: unknown }).type !== "object") return `${place} must have the type "object"`;
    try {
      validatorOf(part as NonNullable<PluginDefinition["consumerSchema"]>).check({});
    } catch (error) {
      return `${place}: ${reasonOf(error)}`;
    }
  }
  const misplaced = phases.find((phase) => phase in plugin);
  return misplaced === undefined ? null : `${misplaced} belongs into what compile returns`;
}

import { canonicalJson } from "../lib/canonical-json.ts";
import type { JsonSchema } from "./json-schema.ts";
import { below, collect, fault, QUICK, type Check, type SchemaFault } from "./schema-fault.ts";
import type { Terms } from "./validator.ts";

/** Keywords of draft-07 that people's schemas use and the gateway's own do not. */

/** Compiles a schema below the one at hand. */
type Compile = (schema: JsonSchema | boolean, terms: Terms) => Check;

/** Keywords of later drafts that ask for something; without them a schema would let more pass than it says. */
export const newer: ReadonlySet<string> = new Set([
  "$dynamicRef",
  "$recursiveRef",
  "dependentRequired",
  "dependentSchemas",
  "maxContains",
  "minContains",
  "prefixItems",
  "unevaluatedItems",
  "unevaluatedProperties",
]);

/** One of the values, however they are nested. */
export function compileEnum({ enum: allowed }: JsonSchema, terms: Terms): Check {
  const values = new Set(allowed as unknown[]);
  const nested = new Set((allowed as unknown[]).filter(isNested).map(canonicalJson));
  return (value) =>
    values.has(value) || terms.refers(value) || (isNested(value) && nested.has(canonicalJson(value)))
      ? null
      : fault("matches none of the enum values");
}

export function compileConst({ const: only }: JsonSchema, terms: Terms): Check {
  const check = compileEnum({ enum: [only] }, terms);
  return (value, mode) => (check(value, mode) === null ? null : fault("failed to check const value"));
}

const isNested = (value: unknown): boolean => typeof value === "object" && value !== null;

/** At least one element must match. */
export function compileContains({ contains }: JsonSchema, terms: Terms, compile: Compile): Check {
  const check = compile(contains as JsonSchema, terms);
  return (value) =>
    !Array.isArray(value) || value.some((item) => check(item, QUICK) === null)
      ? null
      : fault("failed to check contains");
}

/** Every name of a property must match. */
export function compilePropertyNames({ propertyNames }: JsonSchema, terms: Terms, compile: Compile): Check {
  const check = compile(propertyNames as JsonSchema, terms);
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const wrong = Object.keys(value).find((name) => check(name, QUICK) !== null);
    return wrong === undefined ? null : fault(`invalid name of a property: ${wrong}`);
  };
}

/** A number must be a whole multiple, as far as floating point tells. */
export function compileMultipleOf({ multipleOf }: JsonSchema): Check {
  const step = multipleOf as number;
  return (value) =>
    typeof value !== "number" || Number.isInteger(value / step)
      ? null
      : fault(`expected ${value} to be a multiple of ${step}`);
}

/** Elements by their place; those beyond meet `additionalItems`. */
export function compileTuple({ items, additionalItems }: JsonSchema, terms: Terms, compile: Compile): Check {
  const checks = (items as JsonSchema[]).map((schema) => compile(schema, terms));
  const others = additionalItems === undefined ? null : compile(additionalItems as JsonSchema | boolean, terms);
  return (value, mode) => {
    if (!Array.isArray(value)) return null;
    if (additionalItems === false && value.length > checks.length)
      return fault("found unexpected extra items in array");
    const found: SchemaFault[] = [];
    for (const [index, item] of value.entries()) {
      const check = checks[index] ?? others;
      const faults = check === null ? null : below(check(item, mode), `failed to validate item ${index + 1}: `, index);
      found.push(...(faults ?? []));
      if (found.length > 0 && !mode.all) break;
    }
    return collect(found, mode.all);
  };
}

/**
 * References within the schema, `#` and `#/definitions/x`; compiled once each and when first
 * met, so that a schema may refer to itself. Throws where there is nothing to refer to.
 */
export function referenceCompiler(root: JsonSchema, compile: Compile): (reference: string, terms: Terms) => Check {
  const compiled = new Map<string, { check: Check | null }>();
  return (reference, terms) => {
    let known = compiled.get(reference);
    if (known === undefined) {
      known = { check: null };
      compiled.set(reference, known);
      known.check = compile(find(root, reference), terms);
    }
    const held = known;
    return (value, mode) => held.check?.(value, mode) ?? null;
  };
}

/** What a reference leads to in the end; throws where it goes in circles. */
function find(root: JsonSchema, reference: string, before: readonly string[] = []): JsonSchema {
  if (before.includes(reference)) throw new Error(`schema: ${reference} refers to itself`);

  const parts = reference
    .split("/")
    .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"));
  let found: unknown = parts[0] === "#" ? root : undefined;
  for (const part of parts.slice(1)) {
    found =
      typeof found === "object" && found !== null && Object.hasOwn(found, part)
        ? (found as JsonSchema)[part]
        : undefined;
  }
  if (typeof found !== "object" || found === null) throw new Error(`schema: nothing to refer to at ${reference}`);
  const { $ref: next } = found as JsonSchema;
  return typeof next === "string" ? find(root, next, [...before, reference]) : (found as JsonSchema);
}

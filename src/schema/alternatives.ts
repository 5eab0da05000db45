import type { JsonSchema } from "./json-schema.ts";
import type { Terms } from "./validator.ts";
import { QUICK, texts, UNDESCRIBED, withHint, type Check } from "./schema-fault.ts";

/** Keywords that choose between schemas. Defaults are filled in for the one that matched only. */

/** Compiles a schema below the one at hand; `terms` hold for it. */
type Compile = (schema: JsonSchema, terms: Terms) => Check;

/** At least one must match. */
export function compileAnyOf({ anyOf }: JsonSchema, terms: Terms, compile: Compile): Check {
  const alternatives = anyOf as JsonSchema[];
  const checks = alternatives.map((schema) => compile(schema, terms));
  const fills = alternatives.map(hasDefaults);
  const detail = `object matches none of the required${listRequired(alternatives, ": ")}`;
  return (value, mode) => {
    for (const [index, check] of checks.entries()) {
      if (check(value, QUICK) !== null) continue;
      if (mode.fill && fills[index]) check(value, mode);
      return null;
    }
    return mode === QUICK ? UNDESCRIBED : [{ ...texts(detail), path: [], hint: hintOf(checks, value) }];
  };
}

/** Exactly one must match. */
export function compileOneOf({ oneOf }: JsonSchema, terms: Terms, compile: Compile): Check {
  const alternatives = oneOf as JsonSchema[];
  const checks = alternatives.map((schema) => compile(schema, terms));
  const fills = alternatives.map(hasDefaults);
  const list = listRequired(alternatives, "exactly one of ");
  return (value, mode) => {
    const passing: number[] = [];
    for (let i = 0; i < checks.length && passing.length < 2; i++) {
      if (checks[i]?.(value, QUICK) === null) passing.push(i);
    }
    const [first, second] = passing;
    if (mode === QUICK && passing.length !== 1) return UNDESCRIBED;
    if (first === undefined) {
      const hint = list === "" ? hintOf(checks, value) : list;
      return [{ ...texts("value should match only one schema, but matches none"), path: [], hint }];
    }
    if (second !== undefined) {
      const both = `value should match only one schema, but matches both schemas ${first + 1} and ${second + 1}`;
      return [{ ...texts(both), path: [], hint: list }];
    }
    if (mode.fill && fills[first]) checks[first]?.(value, mode);
    return null;
  };
}

/** `if`, `then`, `else`. */
export function compileCondition(schema: JsonSchema, terms: Terms, compile: Compile): Check {
  const condition = compile(schema.if as JsonSchema, terms);
  const branch = (name: "then" | "else"): Check => {
    const check = schema[name] === undefined ? null : compile(schema[name] as JsonSchema, terms);
    return (value, mode) => {
      const [first] = check?.(value, { all: false, fill: mode.fill }) ?? [];
      if (first === undefined) return null;
      return [{ ...texts(`${name} clause did not match`), path: first.path, hint: withHint(first) }];
    };
  };
  const [consequence, alternative] = [branch("then"), branch("else")];
  return (value, mode) => (condition(value, QUICK) === null ? consequence(value, mode) : alternative(value, mode));
}

/** Why the alternative that was most likely meant failed: the only one that has the value's type. */
function hintOf(checks: readonly Check[], value: unknown): string {
  const meant = checks
    .flatMap((check) => check(value, { all: false, fill: false }) ?? [])
    .filter((one) => !("wrongType" in one && one.path.length === 0));
  const [only] = meant;
  return only !== undefined && meant.length === 1 ? withHint(only) : "";
}

/** `["a","b"] or ["c"]` where every alternative only names required properties. */
function listRequired(alternatives: readonly JsonSchema[], before: string): string {
  const plain = alternatives.every((schema) => Object.keys(schema).length === 1 && Array.isArray(schema.required));
  return plain ? before + alternatives.map((schema) => JSON.stringify(schema.required)).join(" or ") : "";
}

/** Whether a value that matched can get defaults from the schema. */
const hasDefaults = (schema: JsonSchema): boolean => JSON.stringify(schema).includes('"default":');

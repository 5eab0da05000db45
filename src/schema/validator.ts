import { canonicalJson } from "../lib/canonical-json.ts";
import { compileAnyOf, compileCondition, compileOneOf } from "./alternatives.ts";
import { formats } from "./formats.ts";
import type { JsonSchema } from "./json-schema.ts";
import {
  compileConst,
  compileContains,
  compileEnum,
  compileMultipleOf,
  compilePropertyNames,
  compileTuple,
  newer,
  referenceCompiler,
} from "./more-keywords.ts";
import { formatLuaNumber, quoteLua } from "./lua-text.ts";
import {
  below,
  collect,
  fault,
  QUICK,
  texts,
  UNDESCRIBED,
  WRONG_TYPE,
  type Check,
  type Mode,
  type SchemaFault,
} from "./schema-fault.ts";
import { isSecretName, MASK } from "./secret-names.ts";
import { isSecretReference } from "./secret-reference.ts";

/**
 * A validator for the part of JSON Schema draft-07 that APISIX's schemas use. It
 * words faults as APISIX does, takes a millisecond to compile a route's schema
 * (which is on the way from start to ready) and fills in defaults, also within
 * the alternative that matched. A keyword it does not know is an error at
 * compile time: nothing is ignored silently. A reference to a secret passes
 * whatever is asked of a text.
 */
export interface Validator {
  /** Fills defaults into `value` itself; the first fault, `null` where there is none. */
  check(value: unknown): SchemaFault | null;
  /** Every fault. Fills defaults in, too. */
  checkAll(value: unknown): readonly SchemaFault[];
}

type Fields = Record<string, unknown>;

/** How schemas are read that are not the gateway's own but people's. */
export interface SchemaOptions {
  /** Compiles the patterns of the schema, which may throw. */
  readonly pattern: (text: string) => Pattern;
}

/** A regular expression. */
export type Pattern = Pick<RegExp, "test">;

/** What holds for a whole schema or, `secret`, for a part of it. */
export interface Terms extends SchemaOptions {
  /** Values must not be shown. */
  readonly secret: boolean;
  /** What passes whatever is asked of a text. */
  readonly refers: (value: unknown) => boolean;
  /** A keyword or format that is not known is an error; otherwise it says nothing. */
  readonly strict: boolean;
  /** Compiles references within the schema; `null`: there are none. */
  readonly refer: ((reference: string, terms: Terms) => Check) | null;
}

const OWN: Terms = {
  secret: false,
  pattern: (text) => new RegExp(text),
  refers: isSecretReference,
  strict: true,
  refer: null,
};

/**
 * Compiles a schema; throws where it uses a keyword that is not known here. With `options`
 * it judges what clients send: references to secrets are texts like any other, formats and
 * keywords that are not known are passed over (JSON Schema draft-07, core, section 6.4, and
 * validation, section 7.1), but for those with which later drafts ask for more.
 */
export function compileSchema(schema: JsonSchema, options?: SchemaOptions): Validator {
  const refer = referenceCompiler(schema, compile);
  const terms: Terms = options === undefined ? OWN : { ...OWN, ...options, refers: () => false, strict: false, refer };
  const check = compile(schema, terms);
  const faults = (value: unknown, all: boolean): readonly SchemaFault[] => check(value, { all, fill: true }) ?? [];
  return {
    check: (value) => faults(value, false)[0] ?? null,
    checkAll: (value) => faults(value, true),
  };
}

const annotations = new Set([
  "$comment",
  "$id",
  "$schema",
  "default",
  "definitions",
  "description",
  "encrypt_fields",
  "examples",
  "title",
]);

/** Keyword to compiler; in the order in which faults are looked for. */
const keywords: Readonly<Record<string, (schema: JsonSchema, terms: Terms) => Check | null>> = {
  type: compileType,
  enum: compileEnum,
  const: compileConst,
  minLength: ({ minLength }, terms) => {
    const least = minLength as number;
    return (value) =>
      typeof value !== "string" || value.length >= least * 2 || lengthOf(value) >= least || terms.refers(value)
        ? null
        : fault(`string too short, expected at least ${least}, got ${lengthOf(value)}`);
  },
  maxLength: ({ maxLength }, terms) => {
    const most = maxLength as number;
    return (value) =>
      typeof value !== "string" || value.length <= most || lengthOf(value) <= most || terms.refers(value)
        ? null
        : fault(`string too long, expected at most ${most}, got ${lengthOf(value)}`);
  },
  pattern: ({ pattern }, terms) => {
    const expression = terms.pattern(pattern as string);
    return (value) =>
      typeof value !== "string" || expression.test(value) || terms.refers(value)
        ? null
        : fault(`failed to match pattern ${quoteLua(pattern as string)} with ${terms.secret ? MASK : quoteLua(value)}`);
  },
  format: ({ format }, terms) => {
    const test = formats[format as string];
    if (test === undefined && terms.strict) throw new Error(`schema: unknown format ${String(format)}`);
    if (test === undefined) return null;
    return (value) =>
      typeof value !== "string" || test(value) || terms.refers(value)
        ? null
        : fault(`expect valid ${String(format)} address but got: ${terms.secret ? MASK : value}`);
  },
  minimum: bound("minimum", "at least", (value, limit) => value >= limit),
  maximum: bound("maximum", "at most", (value, limit) => value <= limit),
  exclusiveMinimum: bound("exclusiveMinimum", "greater than", (value, limit) => value > limit),
  exclusiveMaximum: bound("exclusiveMaximum", "smaller than", (value, limit) => value < limit),
  minItems: size("array", "minItems", "at least", (count, limit) => count >= limit),
  maxItems: size("array", "maxItems", "at most", (count, limit) => count <= limit),
  contains: (schema, terms) => compileContains(schema, terms, compile),
  multipleOf: compileMultipleOf,
  additionalItems: () => null,
  propertyNames: (schema, terms) => compilePropertyNames(schema, terms, compile),
  uniqueItems: ({ uniqueItems }) => (uniqueItems === true ? checkUnique : null),
  items: compileItems,
  properties: compileProperties,
  // Defaults count as well.
  minProperties: size("object", "minProperties", "at least", (count, limit) => count >= limit),
  maxProperties: size("object", "maxProperties", "at most", (count, limit) => count <= limit),
  required: ({ required }) => {
    const names = required as readonly string[];
    return (value, mode) => {
      if (!isFields(value)) return null;
      const found: SchemaFault[] = [];
      for (const name of names) {
        if (value[name] !== undefined) continue;
        if (mode === QUICK) return UNDESCRIBED;
        found.push(...fault(`property "${name}" is required`));
      }
      return collect(found, mode.all);
    };
  },
  patternProperties: compilePatternProperties,
  additionalProperties: compileAdditionalProperties,
  dependencies: compileDependencies,
  allOf: ({ allOf }, terms) => {
    const checks = (allOf as JsonSchema[]).map((schema, index) => {
      const check = compile(schema, terms);
      const way = `allOf ${index + 1} failed: `;
      return (value: unknown, mode: Mode) => below(check(value, mode), way, null);
    });
    return every(checks);
  },
  anyOf: (schema, terms) => compileAnyOf(schema, terms, compile),
  oneOf: (schema, terms) => compileOneOf(schema, terms, compile),
  not: ({ not }, terms) => {
    const check = compile(not as JsonSchema, terms);
    return (value) => (check(value, QUICK) === null ? fault("value wasn't supposed to match schema") : null);
  },
  if: (schema, terms) => compileCondition(schema, terms, compile),
  // oxlint-disable-next-line unicorn/no-thenable -- keywords of JSON Schema, compiled with `if`.
  then: () => null,
  else: () => null,
};

function compile(schema: JsonSchema | boolean, terms: Terms): Check {
  if (typeof schema === "boolean") return () => (schema ? null : fault("expect false always"));
  // Beside a reference nothing counts (draft-07, section 8.3).
  if (typeof schema.$ref === "string" && terms.refer !== null) return terms.refer(schema.$ref, terms);
  for (const keyword of Object.keys(schema)) {
    if (Object.hasOwn(keywords, keyword) || annotations.has(keyword)) continue;
    if (terms.strict || newer.has(keyword)) throw new Error(`schema: unknown keyword ${keyword}`);
  }
  const checks: Check[] = [];
  for (const [keyword, compiler] of Object.entries(keywords)) {
    const check = schema[keyword] === undefined ? null : compiler(schema, terms);
    if (check !== null) checks.push(check);
  }
  // Further checks of a value that has the wrong type would only confuse.
  return schema.type === undefined ? every(checks) : afterType(checks);
}

function afterType([type, ...rest]: readonly Check[]): Check {
  if (type === undefined || rest.length === 0) return type ?? (() => null);
  const others = every(rest);
  return (value, mode) => type(value, mode) ?? others(value, mode);
}

function every(checks: readonly Check[]): Check {
  if (checks.length === 1 && checks[0] !== undefined) return checks[0];
  return (value, mode) => {
    let found: SchemaFault[] | null = null;
    for (const check of checks) {
      const faults = check(value, mode);
      if (faults === null) continue;
      if (!mode.all) return faults;
      found = [...(found ?? []), ...faults];
    }
    return found;
  };
}

function compileType({ type }: JsonSchema): Check {
  const names = Array.isArray(type) ? (type as string[]) : [type as string];
  const expected = names.join(" or ");
  const [only = ""] = names;
  const test =
    names.length === 1
      ? (value: unknown): boolean => isOfType(only, value)
      : (value: unknown): boolean => names.some((name) => isOfType(name, value));
  return (value) =>
    test(value) ? null : [{ ...WRONG_TYPE, ...texts(`wrong type: expected ${expected}, got ${typeName(value)}`) }];
}

function isOfType(name: string, value: unknown): boolean {
  if (name === "object") return isFields(value);
  if (name === "array") return Array.isArray(value);
  if (name === "integer") return Number.isInteger(value);
  if (name === "null") return value === null;
  return typeof value === name;
}

function compileItems(around: JsonSchema, terms: Terms): Check {
  if (Array.isArray(around.items)) return compileTuple(around, terms, compile);
  const schema = around.items as JsonSchema;
  const check = compile(schema, terms);
  return (value, mode) => {
    if (!Array.isArray(value)) return null;
    let found: SchemaFault[] | null = null;
    for (let i = 0; i < value.length; i++) {
      if (isEmptyTable(value[i], schema.type)) value[i] = emptyTable(schema.type);
      const faults = below(check(value[i], mode), `failed to validate item ${i + 1}: `, i);
      if (faults === null) continue;
      if (!mode.all) return faults;
      found = [...(found ?? []), ...faults];
    }
    return found;
  };
}

/** Looks at what is there and not at all that a schema knows: that is much more. */
function compileProperties(around: JsonSchema, terms: Terms): Check {
  const properties = Object.entries(around.properties as Readonly<Record<string, JsonSchema>>);
  const fields = new Map(
    properties.map(([name, schema], index) => [name, compileProperty(name, schema, index, terms)]),
  );
  const defaults = properties.flatMap(([name, schema]) =>
    schema.default === undefined ? [] : [[name, schema.default] as const],
  );
  return (value, mode) => {
    if (!isFields(value)) return null;
    let wrong: { readonly property: Property; readonly faults: readonly SchemaFault[] }[] | null = null;
    for (const name of Object.keys(value)) {
      const property = value[name] === undefined ? undefined : fields.get(name);
      if (property === undefined) continue;
      const { type, check } = property;
      if (isEmptyTable(value[name], type)) value[name] = emptyTable(type);
      const faults = check(value[name], mode);
      if (faults === null) continue;
      if (mode === QUICK) return UNDESCRIBED;
      (wrong ??= []).push({ property, faults });
    }
    if (mode.fill) fillIn(value, defaults);
    if (wrong === null) return null;
    // In the order of the schema, whatever the value's is.
    wrong.sort((one, other) => one.property.index - other.property.index);
    const described = wrong.map(({ property: { way, name }, faults }) => below(faults, way, name) ?? []);
    return mode.all ? described.flat() : (described[0] ?? null);
  };
}

interface Property {
  readonly name: string;
  /** Its place in the schema. */
  readonly index: number;
  readonly type: unknown;
  readonly check: Check;
  /** How the path of a fault begins in a message. */
  readonly way: string;
}

function compileProperty(name: string, schema: JsonSchema, index: number, terms: Terms): Property {
  const check = compile(schema, isSecretName(name) ? { ...terms, secret: true } : terms);
  return { name, index, type: schema.type, check, way: `property "${name}" validation failed: ` };
}

function fillIn(value: Record<string, unknown>, defaults: readonly (readonly [string, unknown])[]): void {
  for (const [name, byDefault] of defaults) {
    if (value[name] === undefined) value[name] = typeof byDefault === "object" ? structuredClone(byDefault) : byDefault;
  }
}

function compilePatternProperties({ patternProperties }: JsonSchema, terms: Terms): Check {
  const patterns = Object.entries(patternProperties as Readonly<Record<string, JsonSchema>>).map(
    ([pattern, schema]) => ({ pattern, expression: terms.pattern(pattern), check: compile(schema, terms) }),
  );
  return (value, mode) => {
    if (!isFields(value)) return null;
    let found: SchemaFault[] | null = null;
    for (const name of Object.keys(value)) {
      for (const { pattern, expression, check } of patterns) {
        if (!expression.test(name)) continue;
        const way = `failed to validate ${name} (matching "${pattern}"): `;
        const faults = below(check(value[name], mode), way, name);
        if (faults === null) continue;
        if (!mode.all) return faults;
        found = [...(found ?? []), ...faults];
      }
    }
    return found;
  };
}

function compileAdditionalProperties(schema: JsonSchema, terms: Terms): Check | null {
  const { additionalProperties } = schema;
  if (additionalProperties === true) return null;
  const known = new Set(Object.keys((schema.properties as JsonSchema | undefined) ?? {}));
  const patterns = Object.keys((schema.patternProperties as JsonSchema | undefined) ?? {}).map(terms.pattern);
  const check = additionalProperties === false ? null : compile(additionalProperties as JsonSchema, terms);
  return (value, mode) => {
    if (!isFields(value)) return null;
    const found: SchemaFault[] = [];
    for (const name of Object.keys(value)) {
      if (known.has(name) || patterns.some((pattern) => pattern.test(name))) continue;
      const faults =
        check === null
          ? [{ ...texts(`additional properties forbidden, found ${name}`), path: [name], hint: "" }]
          : below(check(value[name], mode), `failed to validate additional property ${name}: `, name);
      found.push(...(faults ?? []));
      if (found.length > 0 && !mode.all) break;
    }
    return collect(found, mode.all);
  };
}

function compileDependencies({ dependencies }: JsonSchema, terms: Terms): Check {
  const checks = Object.entries(dependencies as Readonly<Record<string, JsonSchema | readonly string[]>>).map(
    ([name, needed]): Check => {
      const check = compile(Array.isArray(needed) ? { required: needed } : (needed as JsonSchema), terms);
      const way = `failed to validate dependent schema for "${name}": `;
      return (value, mode) =>
        isFields(value) && value[name] !== undefined ? below(check(value, mode), way, null) : null;
    },
  );
  return every(checks);
}

function bound(keyword: string, words: string, test: (value: number, limit: number) => boolean) {
  return (schema: JsonSchema, terms: Terms): Check => {
    const limit = schema[keyword] as number;
    return (value) =>
      typeof value !== "number" || test(value, limit)
        ? null
        : fault(`expected ${terms.secret ? MASK : formatLuaNumber(value)} to be ${words} ${formatLuaNumber(limit)}`);
  };
}

function size(of: "array" | "object", keyword: string, words: string, test: (count: number, limit: number) => boolean) {
  const members = of === "array" ? "items" : "properties";
  return (schema: JsonSchema): Check => {
    const limit = schema[keyword] as number;
    return (value) => {
      const counted = of === "array" ? Array.isArray(value) : isFields(value);
      if (!counted || test(Object.keys(value as object).length, limit)) return null;
      return fault(`expect ${of} to have ${words} ${limit} ${members}`);
    };
  };
}

const checkUnique: Check = (value) => {
  if (!Array.isArray(value) || value.length < 2) return null;
  const seen = new Map<unknown, number>();
  for (let i = 0; i < value.length; i++) {
    const item: unknown = value[i];
    const identity = typeof item === "object" && item !== null ? canonicalJson(item) : item;
    const earlier = seen.get(identity);
    if (earlier !== undefined) return fault(`expected unique items but items ${earlier + 1} and ${i + 1} are equal`);
    seen.set(identity, i);
  }
  return null;
};

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Lua knows one empty table, so APISIX takes `plugins: []` and `vars: {}`. */
function isEmptyTable(value: unknown, type: unknown): boolean {
  if (type === "object") return Array.isArray(value) && value.length === 0;
  return type === "array" && isFields(value) && Object.keys(value).length === 0;
}

const emptyTable = (type: unknown): object => (type === "object" ? {} : []);

function typeName(value: unknown): string {
  if (value === null || value === undefined) return "null";
  return typeof value === "object" ? "table" : typeof value;
}

/** Characters, not UTF-16 units. */
function lengthOf(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xdc00 || unit > 0xdfff) length++;
  }
  return length;
}

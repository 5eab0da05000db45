import type { JsonSchema } from "../../schema/json-schema.ts";

/** Shorthand for the fields that plugins' schemas are made of. */

/** A text without limits. */
export const string = { type: "string" } as const satisfies JsonSchema;

/** A text of at least one character. */
export const word = { type: "string", minLength: 1 } as const satisfies JsonSchema;

/** Any object. */
export const object = { type: "object" } as const satisfies JsonSchema;

/** A text; `keywords` limit it. */
export const text = (keywords: JsonSchema): JsonSchema => ({ type: "string", ...keywords });

/** One of several words. */
export const oneOfWords = (words: readonly string[], byDefault?: string): JsonSchema => ({
  type: "string",
  enum: words,
  ...(byDefault === undefined ? {} : { default: byDefault }),
});

/** A boolean with its default. */
export const flag = (byDefault: boolean): JsonSchema => ({ type: "boolean", default: byDefault });

/** An integer of at least `minimum`. */
export const atLeast = (minimum: number, byDefault?: number): JsonSchema => ({
  type: "integer",
  minimum,
  ...(byDefault === undefined ? {} : { default: byDefault }),
});

/** An integer with a lower and an upper limit. */
export const between = (minimum: number, maximum: number, byDefault?: number): JsonSchema => ({
  ...atLeast(minimum, byDefault),
  maximum,
});

/** A list of `items`; `keywords` limit it. */
export const list = (items: JsonSchema, keywords: JsonSchema = {}): JsonSchema => ({
  type: "array",
  items,
  ...keywords,
});

/** A list of texts with at least one entry. */
export const strings = list(string, { minItems: 1 });

/** An object with these fields; `keywords` limit it. */
export const fields = (properties: JsonSchema, keywords: JsonSchema = {}): JsonSchema => ({
  type: "object",
  properties,
  ...keywords,
});

/** A text or a number. */
export const scalar = { oneOf: [{ type: "string" }, { type: "number" }] } as const satisfies JsonSchema;

/** Header names to values. */
export const headers = {
  type: "object",
  minProperties: 1,
  patternProperties: { "^[^:]+$": scalar },
} as const satisfies JsonSchema;

/** Greatest size of a body that a plugin holds in memory, in bytes. */
export const maxBodySize = atLeast(1, 67108864);

/** A realm of `WWW-Authenticate`. */
export const realm = (byDefault: string): JsonSchema => ({
  type: "string",
  default: byDefault,
  minLength: 1,
  maxLength: 128,
  pattern: "^[ -!#-[\\]-~]+$",
});

/** A URL without demands on its path. */
export const endpoint = {
  type: "string",
  pattern: "^[^\\/]+:\\/\\/([\\da-zA-Z.-]+|\\[[\\da-fA-F:]+\\])(:\\d+)?",
} as const satisfies JsonSchema;

/** Kept connections to a service that a plugin asks; times in milliseconds. */
export const keepalive = (pool: number): JsonSchema => ({
  keepalive: flag(true),
  keepalive_timeout: atLeast(1000, 60000),
  keepalive_pool: atLeast(1, pool),
});

/** An answer's status that a plugin refuses with. */
export const rejectedCode = (byDefault: number): JsonSchema => between(200, 599, byDefault);

/** A schema whose fields are explained, for the reference; clients do not see it. */
export function explained(schema: JsonSchema, comments: Readonly<Record<string, string>>): JsonSchema {
  const properties = Object.entries(schema.properties as Readonly<Record<string, JsonSchema>>).map(([name, field]) => {
    const $comment = comments[name];
    return [name, $comment === undefined ? field : { ...field, $comment }] as const;
  });
  return { ...schema, properties: Object.fromEntries(properties) };
}

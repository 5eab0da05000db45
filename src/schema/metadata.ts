import type { JsonSchema } from "./json-schema.ts";

/** Characters allowed in an id, without anchors. */
export const ID_CHARACTERS = "[a-zA-Z0-9-_.]+";

/** An id as APISIX takes it: a short name, or a positive integer. Held and compared as a string. */
export const idSchema = {
  anyOf: [
    { type: "string", minLength: 1, maxLength: 64, pattern: `^${ID_CHARACTERS}$` },
    { type: "integer", minimum: 1 },
  ],
} as const satisfies JsonSchema;

/** `name` of most kinds. */
export const nameSchema = { type: "string", minLength: 1, maxLength: 256 } as const satisfies JsonSchema;

/** `desc` of most kinds. */
export const descSchema = { type: "string", maxLength: 256 } as const satisfies JsonSchema;

/** Unix seconds, as in `create_time`. */
export const timestampSchema = { type: "integer" } as const satisfies JsonSchema;

/** `labels`: names to short words without blanks. */
export const labelsSchema = {
  description: "key/value pairs to specify attributes",
  type: "object",
  patternProperties: {
    ".*": { description: "value of label", type: "string", pattern: "^\\S+$", minLength: 1, maxLength: 256 },
  },
} as const satisfies JsonSchema;

/** Names to words. */
export type Labels = Readonly<Record<string, string>>;

/** When a resource was written, in Unix seconds; the Admin API keeps it. */
export interface Times {
  readonly create_time?: number;
  readonly update_time?: number;
}

/** Schemas of `Times`. */
export const timesSchema = {
  create_time: timestampSchema,
  update_time: timestampSchema,
} as const satisfies Record<keyof Times, JsonSchema>;

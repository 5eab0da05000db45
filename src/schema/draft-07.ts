import type { JsonSchema } from "./json-schema.ts";

/**
 * What a schema of JSON Schema draft-07 looks like, as a schema: the core meta-schema
 * without what only annotates. It is for schemas that people write.
 */

const string = { type: "string" };
const number = { type: "number" };
const natural = { type: "integer", minimum: 0 };
const schema = { $ref: "#" };
const schemas = { type: "array", minItems: 1, items: schema };
const named = { type: "object", additionalProperties: schema };
const names = { type: "array", items: string };

export const draft07: JsonSchema = {
  type: ["object", "boolean"],
  properties: {
    $ref: string,
    type: { anyOf: [string, { ...names, minItems: 1 }] },
    enum: { type: "array" },
    multipleOf: { ...number, exclusiveMinimum: 0 },
    maximum: number,
    exclusiveMaximum: number,
    minimum: number,
    exclusiveMinimum: number,
    maxLength: natural,
    minLength: natural,
    pattern: string,
    format: string,
    items: { anyOf: [schema, schemas] },
    additionalItems: schema,
    maxItems: natural,
    minItems: natural,
    uniqueItems: { type: "boolean" },
    contains: schema,
    maxProperties: natural,
    minProperties: natural,
    required: names,
    definitions: named,
    properties: named,
    patternProperties: named,
    additionalProperties: schema,
    dependencies: { type: "object", additionalProperties: { anyOf: [schema, names] } },
    propertyNames: schema,
    if: schema,
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema.
    then: schema,
    else: schema,
    allOf: schemas,
    anyOf: schemas,
    oneOf: schemas,
    not: schema,
  },
};

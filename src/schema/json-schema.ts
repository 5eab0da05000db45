/**
 * A JSON Schema (draft-07) as a plain object. Loose on purpose: the schemas are
 * constants that ajv compiles; what they describe is typed beside each of them.
 */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

import * as fc from "fast-check";
import type { JsonSchema } from "./json-schema.ts";

/** Test support: values for property tests of schemas. */

const wrong = fc.oneof(
  fc.constantFrom<unknown[]>(null, true, 0, -1, 1.5, 70_000, "", "x", "127.0.0.1"),
  fc.constant(["x"]),
);
const words = ["abc", "a b", "function() {}", "a".repeat(130), "10.0.0.0/8", "*.x"];

/** Values that are mostly what a schema asks for. */
export function near(schema: JsonSchema): fc.Arbitrary<unknown> {
  const alternatives = ((schema.anyOf ?? schema.oneOf ?? []) as JsonSchema[]).filter(({ type }) => type !== undefined);
  const right = [...alternatives.map(near), ...own(schema)];
  return fc.oneof(
    { arbitrary: right.length === 0 ? fc.constant("abc") : fc.oneof(...right), weight: 20 },
    { arbitrary: wrong, weight: 1 },
  );
}

function own(schema: JsonSchema): fc.Arbitrary<unknown>[] {
  if (Array.isArray(schema.enum)) return [fc.constantFrom(...(schema.enum as unknown[]))];
  if (schema.properties !== undefined) return [fields(schema.properties as Record<string, JsonSchema>)];
  if (schema.patternProperties !== undefined) return [fc.constantFrom({ a: "b" }, { "a:1": 1 }, { a: -1 })];
  if (schema.type === "object") return [fc.constant({ a: 1 })];
  if (schema.type === "array") return [fc.array(near((schema.items ?? {}) as JsonSchema), { maxLength: 3 })];
  if (schema.type === "integer" || schema.type === "number") return [fc.integer({ min: 0, max: 300 })];
  if (schema.type === "string") return [fc.constantFrom(...words)];
  return schema.type === "boolean" ? [fc.boolean()] : [];
}

function fields(properties: Readonly<Record<string, JsonSchema>>): fc.Arbitrary<unknown> {
  return fc
    .subarray(Object.keys(properties), { maxLength: Math.min(4, Object.keys(properties).length) })
    .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, near(properties[name] ?? {})]))));
}

import { randomBytes, randomInt } from "node:crypto";

type Schema = Readonly<Record<string, unknown>>;

/** Schemas deeper than this are refused. */
const MAX_DEPTH = 32;
/** Elements of an array without an example, at most. */
const MAX_ITEMS = 3;

/**
 * Makes values that a schema describes: its `example`, or something at random of its
 * type. Throws where a type is unknown or the schema is too deep.
 */
export function compileExample(schema: Schema, depth = 0): () => unknown {
  if (depth > MAX_DEPTH) throw new Error('property "response_schema" is too deep');
  const { type, example, properties, items } = schema;
  if (type === "object") return compileObject((properties ?? {}) as Readonly<Record<string, Schema>>, depth);
  if (type === "array" && example === undefined) {
    const make = compileExample((items ?? { type: "string" }) as Schema, depth + 1);
    return () => Array.from({ length: randomInt(1, MAX_ITEMS + 1) }, make);
  }
  if (example !== undefined) return () => example;
  switch (type) {
    case undefined:
    case "string":
      return () => randomBytes(5).toString("hex");
    case "integer":
      return () => randomInt(1, 10_000);
    case "number":
      return () => randomInt(1, 1_000_000) / 100;
    case "boolean":
      return () => randomInt(2) === 1;
    default:
      throw new Error(`property "response_schema": unknown type ${String(type)}`);
  }
}

function compileObject(properties: Readonly<Record<string, Schema>>, depth: number): () => unknown {
  const fields = Object.entries(properties).map(([name, schema]) => [name, compileExample(schema, depth + 1)] as const);
  return () => Object.fromEntries(fields.map(([name, make]) => [name, make()]));
}

/** A value as XML: objects as elements within elements, arrays as elements of one name. */
export function toXml(name: string, value: unknown): string {
  const tag = name.replaceAll(/[^A-Za-z0-9_.-]/g, "_");
  if (Array.isArray(value)) return value.map((item) => toXml(name, item)).join("");
  const inner =
    typeof value === "object" && value !== null
      ? Object.entries(value)
          .map(([key, part]) => toXml(key, part))
          .join("")
      : String(value).replaceAll(/[<>&]/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<${tag}>${inner}</${tag}>`;
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv } from "ajv";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import type { JsonSchema } from "./json-schema.ts";
import { compileSchema } from "./validator.ts";

const options = { pattern: (text: string) => new RegExp(text) };

const schemas: readonly JsonSchema[] = [
  { contains: { type: "integer" } },
  { multipleOf: 3 },
  { propertyNames: { maxLength: 1 } },
  { items: [{ type: "integer" }, { type: "string" }] },
  { items: [{ type: "integer" }], additionalItems: false },
  { items: [{ type: "integer" }], additionalItems: { type: "string" } },
  { definitions: { n: { type: "integer" } }, properties: { a: { $ref: "#/definitions/n" } } },
  { definitions: { "a/b": { $ref: "#/definitions/n" }, n: { type: "string" } }, items: { $ref: "#/definitions/a~1b" } },
  // A tree, which refers to itself.
  { type: ["object", "integer"], properties: { a: { $ref: "#" }, b: { $ref: "#" } }, additionalProperties: false },
];

test("people's schemas accept and refuse what ajv does", () => {
  const ajv = new Ajv({ strict: false });
  const { tree } = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.integer({ min: -4, max: 9 }), fc.constantFrom<unknown[]>("x", "", true, null)),
    tree: fc.oneof(
      { maxDepth: 3 },
      tie("leaf"),
      fc.array(tie("tree"), { minLength: 1, maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b", "cc"), tie("tree"), { minKeys: 1, maxKeys: 3 }),
    ),
  }));
  for (const schema of schemas) {
    const theirs = ajv.compile(schema);
    const ours = compileSchema(schema, options);
    fc.assert(
      fc.property(tree, (value) => {
        assert.equal(ours.check(structuredClone(value)) === null, theirs(value), JSON.stringify([schema, value]));
        assert.equal(ours.checkAll(structuredClone(value)).length === 0, theirs(value));
      }),
      { numRuns: times(200, 70) },
    );
  }
});

test("the gateway's own schemas have no references", () => {
  assert.throws(() => compileSchema({ $ref: "#/definitions/n", definitions: { n: {} } }), /unknown keyword \$ref/);
});

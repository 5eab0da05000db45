import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv, type ValidateFunction } from "ajv";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import { type CheckOptions, checkConfig, formats, isPort } from "./check.ts";
import type { Mapping } from "./key-path.ts";
import { configSchema } from "./keys/config.ts";
import type { Key } from "./keys/key.ts";
import { Report } from "./report.ts";

const options: CheckOptions = { allowPortZero: false };

/** The same schema with ajv: what `checkConfig` must agree with. */
function withAjv(): ValidateFunction {
  const ajv = new Ajv({ allErrors: true, useDefaults: true, allowUnionTypes: true, strictTypes: false, formats });
  ajv.addVocabulary(["expected", "support"]);
  const validate = (mode: NonNullable<Key["port"]>, value: number): boolean => isPort(mode, value, options);
  ajv.addKeyword({ keyword: "port", type: "number", schemaType: "string", errors: false, validate });
  return ajv.compile(configSchema);
}

/** Values that one key may hold, right and wrong alike. */
const someValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(0, 1, 9080, 65_535, 65_536, -1, 1.5, "", "auto", "on", "off", "60s", "16k", "4 8k", "5x", "12"),
  fc.constantFrom("127.0.0.1", "[::1]", "10.0.0.0/8", "10.0.0.0/33", "unix:", "yaml", "data_plane", "etcd", "warn"),
  fc.constantFrom<unknown>(true, false, null, [], {}, [1, "a"], [{ port: 0 }, { ip: "x" }], { ip: "::1", port: 1 }),
  fc.string(),
  fc.double(),
);

/** A mapping with some of the keys of the schema and any value, or with values below them. */
function someConfig(key: Key): fc.Arbitrary<unknown> {
  if (key.properties === undefined) return someValue;
  const rows = Object.entries(key.properties).map(([name, child]) => [name, someConfig(child)]);
  const mapping = fc.record(Object.fromEntries(rows) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: [] });
  return key === configSchema
    ? mapping
    : fc.oneof({ weight: 9, arbitrary: mapping }, { weight: 1, arbitrary: someValue });
}

test("the walk over the schema agrees with ajv, on what is wrong and on defaults", () => {
  const validate = withAjv();
  fc.assert(
    fc.property(someConfig(configSchema), (config) => {
      const report = new Report("config.yaml", () => 1);
      const { value, invalid } = checkConfig(config as Mapping, [], options, report);
      const filled = structuredClone(config);
      const right = validate(filled);
      const wrong = new Set((validate.errors ?? []).map(({ instancePath }) => instancePath));
      assert.deepEqual(new Set(invalid.map((path) => `/${path.join("/")}`)), wrong);
      assert.equal(report.findings().length, wrong.size);
      if (right) assert.deepEqual(value, filled);
      assert.ok(validate(value), "what was wrong is gone");
    }),
    { numRuns: times(300, 100) },
  );
});

/** One right value for every key. */
function rightValue(key: Key): unknown {
  if (key.properties !== undefined) {
    return Object.fromEntries(Object.entries(key.properties).map(([name, child]) => [name, rightValue(child)]));
  }
  if (key.default !== undefined) return key.default;
  if (key.enum !== undefined) return key.enum[0];
  const candidates = [[], {}, true, "127.0.0.1", "http://127.0.0.1:2379", "0123456789abcdef", "16k", 8080, ["x"], null];
  const ajv = new Ajv({ allowUnionTypes: true, strict: false, formats });
  const items = key.items === undefined ? [] : [[rightValue(key.items)]];
  return [...items, ...candidates].find((candidate) => ajv.validate(key, candidate));
}

test("any subset of right keys is right", () => {
  const full = rightValue(configSchema) as Mapping;
  const subsetOf = (value: unknown): fc.Arbitrary<unknown> => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return fc.constant(value);
    const rows = Object.entries(value).map(([name, child]) => [name, subsetOf(child)]);
    return fc.record(Object.fromEntries(rows) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: [] });
  };
  fc.assert(
    fc.property(subsetOf(full), (config) => {
      const report = new Report("config.yaml", () => 1);
      checkConfig(config as Mapping, [], options, report);
      assert.deepEqual(report.findings(), []);
    }),
    { numRuns: times(200, 60) },
  );
});

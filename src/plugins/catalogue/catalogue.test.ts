import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { test } from "node:test";
import { Ajv } from "ajv";
import * as fc from "fast-check";
import { times } from "../../../test/support/extent.ts";
import { pickNames } from "../../plugin/lazy-map.ts";
import { encryptFieldsOf, schemaIn, type ConfPlace } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { near } from "../../schema/near-values.ts";
import { compileSchema } from "../../schema/validator.ts";
import { defaultPlugins } from "../../settings/keys/default-plugins.ts";
import { plugins } from "../index.ts";
import { knownPlugins, streamPlugins } from "./index.ts";

const places: readonly ConfPlace[] = ["conf", "consumer", "metadata"];

test("every plugin that is enabled by default is known, and every built one", () => {
  for (const name of [...defaultPlugins, ...streamPlugins, ...plugins.keys()]) assert.ok(knownPlugins.has(name), name);
  for (const [name, plugin] of knownPlugins) assert.equal(plugin.name, name);
  for (const [name, plugin] of plugins) assert.equal(knownPlugins.get(name), plugin);
  assert.ok(streamPlugins.every((name) => knownPlugins.get(name)?.subsystems?.includes("stream")));
});

test("the default list is in the order of priorities", () => {
  const priorities = defaultPlugins.map((name) => knownPlugins.get(name)?.priority ?? Number.NaN);
  // Where the list differs from the priorities, the priorities decide.
  const sorted = [...priorities].sort((a, b) => b - a);
  const moved = defaultPlugins.filter((_, index) => priorities[index] !== sorted[index]);
  assert.deepEqual(moved, []);
});

test("what a configuration names is loaded, nothing else", () => {
  const part = pickNames(knownPlugins, new Set(["cors", "limit-count"]));
  assert.deepEqual([...part.keys()].sort(), ["cors", "limit-count"]);
  assert.equal(part.get("cors")?.priority, 4000);
  assert.equal(part.get("key-auth"), undefined);
});

test("every schema compiles, and its secrets are fields of it", () => {
  for (const plugin of knownPlugins.values()) {
    for (const place of places) {
      const schema = schemaIn(plugin, place);
      if (schema === undefined) continue;
      assert.doesNotThrow(() => compileSchema(schema), `${plugin.name} ${place}`);
      if (place === "consumer" && plugin.consumerSchema === undefined) continue;
      for (const path of encryptFieldsOf(plugin, place)) {
        assert.ok(hasField(schema, path.split(".")), `${plugin.name} ${place}: ${path}`);
      }
    }
    if (plugin.consumerKey !== undefined) {
      assert.ok(hasField(plugin.consumerSchema ?? plugin.schema, [plugin.consumerKey]), plugin.name);
    }
  }
});

/** Whether a schema describes the field, in one of its alternatives at least. */
function hasField(schema: JsonSchema, [name, ...rest]: readonly string[]): boolean {
  if (name === undefined) return true;
  const properties = schema.properties as Readonly<Record<string, JsonSchema>> | undefined;
  const property = properties?.[name];
  if (property !== undefined) return hasField(property, rest);
  const inner = [schema.items, schema.then, schema.else].filter((part) => part !== undefined) as JsonSchema[];
  return inner.some((part) => hasField(part, [name, ...rest]));
}

test("schemas accept and refuse what ajv does", () => {
  const ajv = new Ajv({
    strict: false,
    useDefaults: true,
    unicodeRegExp: false,
    formats: { ipv4: isIPv4, ipv6: isIPv6 },
  });
  let accepted = 0;
  for (const plugin of knownPlugins.values()) {
    for (const schema of new Set([plugin.schema, plugin.consumerSchema, plugin.metadataSchema])) {
      if (schema === undefined) continue;
      const theirs = ajv.compile(schema);
      const ours = compileSchema(schema);
      fc.assert(
        fc.property(near(schema), (value) => {
          // Lua's empty tables are judged differently on purpose.
          fc.pre(!/\[\]|\{\}/.test(JSON.stringify(value)));
          const filled: unknown = structuredClone(value);
          const fault = ours.check(filled);
          // ajv looks at `if` before it fills defaults in, APISIX afterwards.
          assert.equal(fault === null, theirs(filled), `${plugin.name}: ${JSON.stringify([fault, theirs.errors])}`);
          if (fault === null) accepted++;
        }),
        { numRuns: times(40, 15) },
      );
    }
  }
  assert.ok(accepted > times(1_000, 300), String(accepted));
});

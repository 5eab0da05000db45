import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv } from "ajv";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import type { JsonSchema } from "./json-schema.ts";
import { near } from "./near-values.ts";
import { routeSchema } from "./route.ts";
import { sslSchema } from "./ssl.ts";
import { upstreamSchema } from "./upstream.ts";
import { compileSchema } from "./validator.ts";

const isAddress = (text: string): boolean => /^[\d.:a-f]+$/.test(text);

/** What each kind needs. */
const bases: readonly (readonly [schema: JsonSchema, base: object])[] = [
  [routeSchema, { uri: "/a", upstream: { nodes: { "a:1": 1 } } }],
  [upstreamSchema, { nodes: { "a:1": 1 } }],
  [sslSchema, { sni: "a", cert: "a".repeat(130), key: "a".repeat(130) }],
];

test("accepts and refuses what ajv does, with the same defaults", () => {
  const ajv = new Ajv({
    strict: false,
    useDefaults: true,
    unicodeRegExp: false,
    formats: { ipv4: isAddress, ipv6: isAddress },
  });
  const counts = { accepted: 0, refused: 0 };
  for (const [schema, base] of bases) {
    const theirs = ajv.compile(schema);
    const ours = compileSchema(schema);
    fc.assert(
      fc.property(near({ properties: { ...(schema.properties as object), strange: {} } }), (overrides) => {
        const value = typeof overrides === "object" && overrides !== null ? { ...base, ...overrides } : overrides;
        // Lua's empty tables and addresses are judged differently on purpose.
        fc.pre(!/\[\]|\{\}|remote_addr/.test(JSON.stringify(value)));
        const [a, b, c] = [structuredClone(value), structuredClone(value), structuredClone(value)];
        const fault = ours.check(a);
        assert.equal(fault === null, theirs(b), JSON.stringify([fault, theirs.errors]));
        assert.equal(ours.checkAll(c).length > 0, fault !== null);
        counts[fault === null ? "accepted" : "refused"]++;
        // Within alternatives only ours fills in; without them the results are equal.
        if (fault === null && !JSON.stringify(value).includes('"nodes":[')) assert.deepEqual(a, b);
      }),
      { numRuns: times(1_500, 500) },
    );
  }
  assert.ok(Math.min(counts.accepted, counts.refused) > times(1_000, 300), JSON.stringify(counts));
});

test("a keyword that is not known is an error, not ignored", () => {
  assert.throws(
    () => compileSchema({ type: "object", properties: { a: { contentEncoding: {} } } }),
    /unknown keyword contentEncoding/,
  );
  assert.throws(() => compileSchema({ format: "uuid" }), /unknown format uuid/);
});

test("fills defaults into the alternative that matched, and into no other", () => {
  const { check } = compileSchema({
    oneOf: [
      { properties: { kind: { const: "a" }, size: { default: 1 } }, required: ["kind"] },
      { properties: { kind: { const: "b" }, depth: { default: [2] } }, required: ["kind"] },
    ],
  });
  const value = { kind: "b" };
  assert.equal(check(value), null);
  assert.deepEqual(value, { kind: "b", depth: [2] });
});

test("all faults come with their paths", () => {
  const faults = compileSchema(upstreamSchema).checkAll({
    nodes: [
      { host: "a", weight: 1 },
      { host: "a b", weight: 1 },
    ],
    timeout: { connect: 0, send: "1" },
    strange: 1,
  });
  assert.deepEqual(
    faults.map(({ path, detail, hint }) => [path.join("."), detail, hint]),
    [
      [
        "nodes",
        "object matches none of the required",
        'failed to validate item 2: property "host" validation failed: ' +
          'failed to match pattern "^\\\\*$|^\\\\*?[0-9a-zA-Z-._\\\\[\\\\]:]+$" with "a b"',
      ],
      ["timeout.connect", "expected 0 to be greater than 0", ""],
      ["timeout.send", "wrong type: expected number, got string", ""],
      ["timeout", 'property "read" is required', ""],
      ["strange", "additional properties forbidden, found strange", ""],
    ],
  );
});

test("values of fields that are named like secrets are masked", () => {
  const { check } = compileSchema({
    properties: { api_token: { type: "string", pattern: "^t-" }, pin_secret: { type: "number", maximum: 10 } },
  });
  assert.equal(check({ api_token: "hunter2" })?.detail, 'failed to match pattern "^t-" with ***');
  assert.equal(check({ pin_secret: 4711 })?.detail, "expected *** to be at most 10");
});

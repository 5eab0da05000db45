import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest, buildResponseHead } from "../plugin/fake-request.ts";
import { compileChecked } from "./checked-plugin.ts";
import { requestId } from "./request-id.ts";

test("a request gets an id, and so does its answer", () => {
  const { rewrite, header_filter } = compileChecked(requestId, {});
  const request = buildRequest();
  rewrite?.(request);
  const id = request.upstream.header("x-request-id") ?? "";
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const head = buildResponseHead();
  header_filter?.(request, head);
  assert.deepEqual(head.list, [["X-Request-Id", id]]);
});

test("a client's id is kept, an empty one replaced", () => {
  const { rewrite, header_filter } = compileChecked(requestId, { header_name: "X-Rid" });
  const given = buildRequest({ headers: [["x-rid", "mine"]] });
  rewrite?.(given);
  assert.deepEqual(given.upstream.list, [["x-rid", "mine"]]);
  const head = buildResponseHead();
  header_filter?.(given, head);
  assert.deepEqual(head.list, [["X-Rid", "mine"]]);
  const empty = buildRequest({ headers: [["X-Rid", ""]] });
  rewrite?.(empty);
  assert.match(empty.upstream.header("x-rid") ?? "", /^[0-9a-f-]{36}$/);
});

test("an answer's header has hyphens where the configured name has underscores", () => {
  const { rewrite, header_filter } = compileChecked(requestId, { header_name: "x_rid" });
  const request = buildRequest({ headers: [["x_rid", "mine"]] });
  rewrite?.(request);
  assert.equal(request.upstream.header("x_rid"), "mine");
  const head = buildResponseHead();
  header_filter?.(request, head);
  assert.deepEqual(head.list, [["x-rid", "mine"]]);
});

test("an answer's own id is left alone; include_in_response: false sends none", () => {
  const { rewrite, header_filter } = compileChecked(requestId, {});
  const request = buildRequest();
  rewrite?.(request);
  const own = buildResponseHead(200, [["X-Request-ID", "origin"]]);
  header_filter?.(request, own);
  assert.deepEqual(own.list, [["X-Request-ID", "origin"]]);
  assert.equal(compileChecked(requestId, { include_in_response: false }).header_filter, undefined);
});

test("an answer made before the plugin ran has no id", () => {
  const head = buildResponseHead(404, [], false);
  compileChecked(requestId, {}).header_filter?.(buildRequest(), head);
  assert.deepEqual(head.list, []);
});

const forms: [conf: object, form: RegExp][] = [
  [{ algorithm: "uuidv7" }, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/],
  [{ algorithm: "nanoid" }, /^[\w-]{21}$/],
  [{ algorithm: "ksuid" }, /^[0-9A-Za-z]{27}$/],
  [{ algorithm: "range_id" }, /^[0-9A-Za-z]{16}$/],
  [{ algorithm: "range_id", range_id: { length: 6, char_set: "abcdef" } }, /^[a-f]{6}$/],
];

for (const [conf, form] of forms) {
  test(`ids of ${JSON.stringify(conf)}`, () => {
    const { rewrite } = compileChecked(requestId, conf);
    const ids = Array.from({ length: 100 }, () => {
      const request = buildRequest();
      rewrite?.(request);
      return request.upstream.header("x-request-id") ?? "";
    });
    for (const id of ids) assert.match(id, form);
    assert.ok(new Set(ids).size > 90);
    if ("algorithm" in conf && conf.algorithm === "uuidv7") assert.deepEqual(ids, [...ids].sort());
  });
}

test("configurations that cannot work are refused with the reason", () => {
  const rows: [conf: object, reason: RegExp][] = [
    [{ header_name: "" }, /header_name "" is not a header's name/],
    [{ header_name: "a\nb" }, /is not a header's name/],
    [{ algorithm: "snowflake" }, /property "algorithm" validation failed: matches none of the enum values/],
    [{ range_id: { length: 5 } }, /expected 5 to be at least 6/],
    [{ algorithm: "range_id", range_id: { char_set: "abcde\n" } }, /visible ASCII/],
  ];
  for (const [conf, reason] of rows) assert.throws(() => compileChecked(requestId, conf), { message: reason });
});

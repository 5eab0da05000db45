import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { buildRequest, buildResponseHead } from "../plugin/fake-request.ts";
import type { FakeResponseHead } from "../plugin/fake-request.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { responseRewrite } from "./response-rewrite.ts";

/** Sends an answer through the plugin; the body is what the client gets. */
function answer(
  conf: object,
  pieces: readonly Buffer[],
  head: FakeResponseHead = buildResponseHead(),
  warnings: string[] = [],
): string {
  const env = { ...buildEnv(), warn: (message: string) => void warnings.push(message) };
  const { header_filter, body_filter } = compileChecked(responseRewrite, conf, env);
  const request = buildRequest();
  header_filter?.(request, head);
  const replaced = head.replaced();
  if (replaced !== null) return replaced;
  const sent = [...pieces, Buffer.alloc(0)].map((piece, i, all) => {
    const last = i === all.length - 1;
    return body_filter?.(request, piece, last) ?? piece;
  });
  return Buffer.concat(sent).toString();
}

test("status, body and headers", () => {
  const head = buildResponseHead(500, [
    ["ETag", "x"],
    ["Last-Modified", "y"],
    ["X-Old", "1"],
    ["X-Gone", "1"],
  ]);
  const conf = {
    status_code: 201,
    body: '{"ok":"é"}',
    headers: { set: { "X-Old": "$remote_addr", "X-Id": 3 }, add: ["X-More: a", "X-More:b"], remove: ["x-gone"] },
  };
  assert.equal(answer(conf, [Buffer.from("origin")], head), '{"ok":"é"}');
  assert.equal(head.status, 201);
  assert.deepEqual(head.list, [
    ["X-Old", "127.0.0.1"],
    ["X-More", "a"],
    ["X-More", "b"],
    ["X-Id", "3"],
  ]);
});

test("the older form of headers sets; an empty value removes", () => {
  const head = buildResponseHead(200, [
    ["X-A", "1"],
    ["X-B", "1"],
  ]);
  answer({ headers: { "X-A": "", "X-B": "2" } }, [], head);
  assert.deepEqual(head.list, [["X-B", "2"]]);
});

test("names with underscores are sent with dashes, and remove either", () => {
  const head = buildResponseHead(200, [
    ["X_Old", "1"],
    ["X-Old", "2"],
  ]);
  answer({ headers: { set: { X_New: "a" }, add: ["X_More: b"], remove: ["X_Old"] } }, [], head);
  assert.deepEqual(head.list, [
    ["X-More", "b"],
    ["X-New", "a"],
  ]);
});

test("a variable cannot end a header's line", () => {
  const head = buildResponseHead();
  const { header_filter } = compileChecked(responseRewrite, { headers: { set: { "X-A": "a$arg_x" } } });
  header_filter?.(buildRequest({ target: "/?x=%0d%0aX-Evil:1" }), head);
  assert.deepEqual(head.list, [["X-A", "aX-Evil:1"]]);
});

test("a body in base64", () => {
  assert.equal(answer({ body: "aGVsbG8=", body_base64: true }, []), "hello");
});

test("filters work over the pieces of a body", () => {
  const filters = [
    { regex: "(\\d+)-(\\d+)", replace: "$2-${1}$$" },
    { regex: "HELLO", replace: "bye", scope: "global", options: "ijo" },
    { regex: "é", replace: "è" },
  ];
  const head = buildResponseHead();
  const body = Buffer.from("hello 12-34 Hello 5-6 é");
  assert.equal(
    answer({ filters }, [body.subarray(0, 8), body.subarray(8, 23), body.subarray(23)], head),
    "bye 34-12$ bye 5-6 è",
  );
  assert.equal(head.streamed(), true);
  assert.equal(head.replaced(), null);
});

test("filters on bytes leave what is not text intact, those with u see characters", () => {
  assert.equal(answer({ filters: [{ regex: "^.", replace: "", options: "u" }] }, [Buffer.from("éa")]), "a");
  const { header_filter, body_filter } = compileChecked(responseRewrite, { filters: [{ regex: "a", replace: "b" }] });
  const request = buildRequest();
  header_filter?.(request, buildResponseHead());
  assert.deepEqual(body_filter?.(request, Buffer.from([0xff, 0x61, 0x80]), true), Buffer.from([0xff, 0x62, 0x80]));
});

test("compressed bodies are filtered and sent uncompressed", () => {
  const conf = { filters: [{ regex: "a", replace: "b" }] };
  for (const [coding, compress] of [
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
  ] as const) {
    const head = buildResponseHead(200, [["Content-Encoding", coding]]);
    assert.equal(answer(conf, [compress("a-a")], head), "b-a");
    assert.deepEqual(head.list, []);
  }
});

test("a coding that is not known passes as it is, with a warning", () => {
  const warnings: string[] = [];
  const head = buildResponseHead(200, [["Content-Encoding", "zstd"]]);
  assert.equal(answer({ filters: [{ regex: "a", replace: "b" }] }, [Buffer.from("a")], head, warnings), "a");
  assert.deepEqual(head.list, [["Content-Encoding", "zstd"]]);
  assert.deepEqual(warnings, ["an answer with Content-Encoding zstd was not filtered"]);
});

test("a body that expands beyond max_resp_body_size fails the request", () => {
  const bomb = gzipSync(Buffer.alloc(100_000));
  const conf = { filters: [{ regex: "a", replace: "b" }], max_resp_body_size: 1000 };
  assert.throws(() => answer(conf, [bomb], buildResponseHead(200, [["Content-Encoding", "gzip"]])), RangeError);
});

test("what goes beyond max_resp_body_size is cut off, with one warning", () => {
  const warnings: string[] = [];
  const conf = { filters: [{ regex: "x", replace: "y" }], max_resp_body_size: 5 };
  const pieces = ["abc", "def", "ghi"].map((text) => Buffer.from(text));
  assert.equal(answer(conf, pieces, buildResponseHead(), warnings), "abcde");
  assert.deepEqual(warnings, ["an answer was cut off at 5 bytes"]);
});

test("configurations that cannot work are refused with the reason", () => {
  const rows: [conf: object, reason: RegExp][] = [
    [{ status_code: 199 }, /expected 199 to be at least 200/],
    [{ body: "x", body_base64: true }, /invalid base64 content/],
    [{ body_base64: true }, /invalid base64 content/],
    [{ body: "x", filters: [{ regex: "a", replace: "b" }] }, /dependent schema for "(body|filters)"/],
    [{ filters: [{ regex: "(", replace: "b" }] }, /regex "\(" validation failed: missing closing parenthesis/],
    [{ filters: [{ regex: "(a*)*", replace: "b" }] }, /without bound/],
    [{ filters: [{ regex: "a", replace: "b", options: "x" }] }, /option x is not supported/],
    [{ headers: { set: { "X A": "b" } } }, /invalid field character in header/],
    [{ headers: { "X-A": "a\r\nb" } }, /invalid value character in header/],
    [{ headers: true }, /headers/],
  ];
  for (const [conf, reason] of rows) assert.throws(() => compileChecked(responseRewrite, conf), { message: reason });
  assert.doesNotThrow(() => compileChecked(responseRewrite, { vars: [] }));
});

test("with vars only answers are rewritten for which they hold", () => {
  const { header_filter: filter } = compileChecked(responseRewrite, {
    status_code: 502,
    vars: [
      ["status", "==", 200],
      ["arg_x", "==", "1"],
    ],
  });
  const rewritten = (target: string, status: number): number => {
    const head = buildResponseHead(status);
    filter?.(buildRequest({ target, status }), head);
    return head.status;
  };
  assert.deepEqual([rewritten("/?x=1", 200), rewritten("/?x=2", 200), rewritten("/?x=1", 404)], [502, 200, 404]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import * as fc from "fast-check";
import { buildRequest, buildResponseHead } from "../plugin/fake-request.ts";
import { compileChecked } from "./checked-plugin.ts";
import { GzipStream } from "./gzip-stream.ts";
import { acceptsCoding } from "./compression.ts";
import { gzip } from "./gzip.ts";

type Headers = readonly (readonly [string, string])[];

/** The answer to a client that accepts gzip: its headers, and its body where it was compressed. */
function answer(conf: object, headers: Headers, request: object = {}, status = 200) {
  const { header_filter: filter, body_filter: pass } = compileChecked(gzip, conf);
  const ctx = buildRequest({ headers: [["Accept-Encoding", "gzip"]], ...request });
  const head = buildResponseHead(status, headers);
  filter?.(ctx, head);
  const body = [
    pass?.(ctx, Buffer.from("hello "), false),
    pass?.(ctx, Buffer.from("hello"), false),
    pass?.(ctx, Buffer.alloc(0), true),
  ];
  const bytes = Buffer.concat(body.map((piece) => piece ?? assert.fail()));
  return { head, text: head.header("content-encoding") === "gzip" ? gunzipSync(bytes).toString() : null, bytes };
}

const html: Headers = [["Content-Type", "text/html; charset=utf-8"]];

test("what is compressed can be read, and its head says so", () => {
  const { head, text } = answer({ vary: true }, [...html, ["ETag", '"a"'], ["Accept-Ranges", "bytes"]]);
  assert.equal(text, "hello hello");
  assert.ok(head.streamed());
  assert.deepEqual(
    ["vary", "etag", "accept-ranges"].map((name) => head.header(name)),
    ["Accept-Encoding", 'W/"a"', undefined],
  );
});

test("what is not to be compressed passes as it is", () => {
  const passes = (conf: object, headers: Headers, request?: object, status?: number): void => {
    const { text, bytes, head } = answer(conf, headers, request, status);
    assert.deepEqual([text, bytes.toString(), head.streamed()], [null, "hello hello", false]);
  };
  passes({}, []);
  passes({}, [["Content-Type", "text/plain"]]);
  passes({}, [...html, ["Content-Length", "19"]]);
  passes({}, [...html, ["Content-Encoding", "br"]]);
  passes({}, [...html, ["Cache-Control", "public, no-transform"]]);
  passes({}, html, {}, 206);
  passes({}, html, { headers: [] });
  passes({}, html, { protocol: "HTTP/1.0" });
  assert.equal(answer({ http_version: 1 }, html, { protocol: "HTTP/1.0" }).text, "hello hello");
  assert.equal(answer({ types: "*" }, [["Content-Type", "a/b"]]).text, "hello hello");
});

test("the list of codings is read with its weights", () => {
  for (const list of ["gzip", "br, gzip", "GZIP;q=0.1", "deflate , gzip ; q=1"])
    assert.ok(acceptsCoding(list, "gzip"), list);
  for (const list of ["", "*", "gzipx", "gzip;q=0", "gzip; q=0.000", "identity"])
    assert.ok(!acceptsCoding(list, "gzip"), list);
});

test("any pieces make one stream", () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 70_000 }), { maxLength: 6 });
  fc.assert(
    fc.property(pieces, fc.integer({ min: 1, max: 9 }), (list, level) => {
      const stream = new GzipStream(level);
      const out = [...list.map((piece) => stream.write(Buffer.from(piece))), stream.end()];
      assert.deepEqual(gunzipSync(Buffer.concat(out)), Buffer.concat(list));
    }),
    { numRuns: 30 },
  );
  const stream = new GzipStream(1);
  const text = Buffer.from("a long text that comes again and again. ".repeat(200));
  const first = stream.write(text).length;
  assert.ok(stream.write(text).length < first, "the piece before is the dictionary");
});

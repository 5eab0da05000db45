import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { brotliDecompressSync } from "node:zlib";
import * as fc from "fast-check";
import { buildRequest, buildResponseHead } from "../plugin/fake-request.ts";
import { BrotliStream } from "./brotli-stream.ts";
import { brotli } from "./brotli.ts";
import { compileChecked } from "./checked-plugin.ts";
import { gzip } from "./gzip.ts";

const options = { comp_level: 4, mode: 0, lgwin: 19, lgblock: 0 };

test("what is compressed can be read, and its head says so", () => {
  const { header_filter: filter, body_filter: pass, log } = compileChecked(brotli, { vary: true });
  const ctx = buildRequest({ headers: [["Accept-Encoding", "gzip, br;q=0.5"]] });
  const head = buildResponseHead(200, [
    ["Content-Type", "text/html"],
    ["ETag", '"a"'],
  ]);
  filter?.(ctx, head);
  const pieces = ["hello ", "hello"].map((text) => pass?.(ctx, Buffer.from(text), false) ?? assert.fail());
  const bytes = Buffer.concat([...pieces, pass?.(ctx, Buffer.alloc(0), true) ?? assert.fail()]);
  log?.(ctx);
  assert.equal(brotliDecompressSync(bytes).toString(), "hello hello");
  assert.ok(head.streamed());
  const names = ["content-encoding", "vary", "etag"];
  assert.deepEqual(
    names.map((name) => head.header(name)),
    ["br", "Accept-Encoding", 'W/"a"'],
  );
  // It runs before gzip, which leaves what is encoded already.
  compileChecked(gzip, {}).header_filter?.(ctx, head);
  assert.equal(head.header("content-encoding"), "br");
});

test("who does not accept it gets the answer as it is", () => {
  const { header_filter: filter, body_filter: pass } = compileChecked(brotli, {});
  const ctx = buildRequest({ headers: [["Accept-Encoding", "gzip, br;q=0"]] });
  const head = buildResponseHead(200, [["Content-Type", "text/html"]]);
  filter?.(ctx, head);
  assert.equal(head.header("content-encoding"), undefined);
  assert.equal(pass?.(ctx, Buffer.from("hello"), false).toString(), "hello");
});

test("any pieces make one stream, and each can be decoded at once", () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 70_000 }), { maxLength: 5 });
  fc.assert(
    fc.property(pieces, fc.integer({ min: 0, max: 6 }), fc.constantFrom(0, 10, 19, 24), (list, comp_level, lgwin) => {
      const stream = new BrotliStream({ ...options, comp_level, lgwin });
      const out = [...list.map((piece) => stream.write(Buffer.from(piece))), stream.end()];
      assert.deepEqual(brotliDecompressSync(Buffer.concat(out)), Buffer.concat(list));
    }),
    { numRuns: 30 },
  );
  const stream = new BrotliStream(options);
  // What cannot be compressed fills the buffers of the encoder.
  const noise = randomBytes(300_000);
  assert.ok(stream.write(noise).length > 290_000);
  stream.close();
  stream.close();
});

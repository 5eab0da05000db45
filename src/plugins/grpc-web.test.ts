import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as check, property, uint8Array } from "fast-check";
import { buildRequest, buildResponseHead, type FakeRequestOptions } from "../plugin/fake-request.ts";
import { compileChecked } from "./checked-plugin.ts";
import { grpcWeb } from "./grpc-web.ts";
import { decodeBase64Pieces } from "./grpc-web-text.ts";

const handlers = compileChecked(grpcWeb, {});
const uris = ["/exact", "/web/*", "/web/v1/*"];
const route = { patterns: { uris, hosts: [], uriOf: () => 0, hostOf: () => 0 } };

function call(options: FakeRequestOptions = {}) {
  const headers: readonly (readonly [string, string])[] = [["Content-Type", "application/grpc-web+proto"]];
  return buildRequest({ method: "POST", target: "/web/pkg.Svc/Call?x=1", headers, route, ...options });
}

test("a call goes to the path behind the prefix, as gRPC", async () => {
  const ctx = call();
  assert.equal(await handlers.access!(ctx), undefined);
  assert.equal(ctx.upstream.target, "/pkg.Svc/Call");
  assert.equal(ctx.upstream.header("content-type"), "application/grpc");
  const deeper = call({ target: "/web/v1/pkg.Svc/Call" });
  await handlers.access!(deeper);
  assert.equal(deeper.upstream.target, "/pkg.Svc/Call");
});

test("other methods, types and routes are refused", async () => {
  const refused: readonly [FakeRequestOptions, number][] = [
    [{ method: "GET" }, 405],
    [{ method: "PUT" }, 405],
    [{ method: "OPTIONS" }, 204],
    [{ headers: [] }, 400],
    [{ headers: [["Content-Type", "application/grpc"]] }, 400],
    [{ headers: [["Content-Type", "application/json"]] }, 400],
    [{ target: "/exact" }, 400],
    [{ route: {} }, 400],
    [{ headers: [["Content-Type", "application/grpc-web-text"]], body: "AAA" }, 400],
    [{ headers: [["Content-Type", "application/grpc-web-text"]], body: "A".repeat(8 * 1_048_576 + 4) }, 413],
  ];
  for (const [options, status] of refused) {
    const answer = await handlers.access!(call(options));
    assert.equal((answer as { status: number } | undefined)?.status, status, JSON.stringify(options).slice(0, 99));
  }
});

test("preflights and answers may be read by scripts of other origins", () => {
  const preflight = buildResponseHead(204, [], false);
  handlers.header_filter!(call({ method: "OPTIONS" }), preflight);
  assert.deepEqual(preflight.list, [
    ["Access-Control-Allow-Origin", "*"],
    ["Access-Control-Allow-Methods", "POST"],
    ["Access-Control-Allow-Headers", "content-type,x-grpc-web,x-user-agent"],
  ]);
  const answer = buildResponseHead(200, [["Access-Control-Allow-Origin", "https://a.test"]]);
  handlers.header_filter!(call(), answer);
  assert.deepEqual(answer.list, [
    ["Access-Control-Allow-Origin", "https://a.test"],
    ["Access-Control-Expose-Headers", "grpc-message,grpc-status"],
  ]);
});

async function answered(type: string, trailers: readonly (readonly [string, string])[]): Promise<string> {
  const ctx = call({ headers: [["Content-Type", type]], body: "AAAA", trailers });
  await handlers.access!(ctx);
  const head = buildResponseHead(200, [["content-type", "application/grpc"]]);
  handlers.header_filter!(ctx, head);
  assert.equal(head.header("content-type"), type);
  assert.ok(head.streamed());
  const message = Buffer.from("\0\0\0\0\x02hi", "latin1");
  const pieces = [handlers.body_filter!(ctx, message, false), handlers.body_filter!(ctx, Buffer.alloc(0), true)];
  return Buffer.concat(pieces).toString("latin1");
}

test("trailers become the last frame of the body, in base64 where the client wants it", async () => {
  const trailers = [
    ["grpc-status", "5"],
    ["Grpc-Message", "not%20there"],
  ] as const;
  const lines = "grpc-status:5\r\ngrpc-message:not%20there\r\n";
  const whole = `\0\0\0\0\x02hi\x80\0\0\0${String.fromCharCode(lines.length)}${lines}`;
  assert.equal(await answered("application/grpc-web+proto", trailers), whole);
  const text = await answered("application/grpc-web-text", trailers);
  assert.equal(decodeBase64Pieces(text)?.toString("latin1"), whole);
  // They came in the head: there is nothing to add.
  assert.equal(await answered("application/grpc-web", []), "\0\0\0\0\x02hi");
});

test("what is no answer of gRPC stays as it is", async () => {
  const ctx = call();
  await handlers.access!(ctx);
  const head = buildResponseHead(502, [["content-type", "text/html"]], false);
  handlers.header_filter!(ctx, head);
  assert.equal(head.header("content-type"), "text/html");
  assert.equal(handlers.body_filter!(ctx, Buffer.from("page"), true).toString(), "page");
});

test("base64 in any number of padded pieces is read; anything else is not", () => {
  check(
    property(array(uint8Array({ maxLength: 20 }), { maxLength: 5 }), (pieces) => {
      const text = pieces.map((piece) => Buffer.from(piece).toString("base64")).join("");
      assert.deepEqual(decodeBase64Pieces(text), Buffer.concat(pieces));
    }),
  );
  for (const wrong of ["A", "AA=", "AA==A", "A===", "AA=A", "AAA-", "AAA\n"])
    assert.equal(decodeBase64Pieces(wrong), null);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { HeadReader } from "./head-reader.ts";
import { type HeadLimits, isRefusal, type Refusal, type RequestHead } from "./request-head.ts";
import { smugglingCases } from "./smuggling-cases.ts";

const limits: HeadLimits = { maxRequestLine: 8192, maxHeaderLine: 8192, maxHead: 32_768, underscoresInHeaders: true };

/** Reads pieces as a connection does; `null`: the head has not ended. */
function read(pieces: readonly string[], with_: HeadLimits = limits): RequestHead | Refusal | null {
  const reader = new HeadReader(with_);
  for (const piece of pieces) {
    const result = reader.read(Buffer.from(piece, "latin1"), piece.length);
    if (result !== null) return result;
  }
  return null;
}

function accept(text: string, with_: HeadLimits = limits): RequestHead {
  const result = read([text], with_);
  assert.ok(result !== null && !isRefusal(result), `refused: ${JSON.stringify(result)}`);
  return result;
}

function codeOf(result: RequestHead | Refusal | null): string {
  if (result === null) return "incomplete";
  return isRefusal(result) ? result.code : "accepted";
}

const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;

test("a plain request", () => {
  const head = accept(
    "GET /a/b?x=1&y HTTP/1.1\r\nHost: A.Example.COM:8080\r\nAccept: */*\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n",
  );
  assert.equal(head.method, "GET");
  assert.equal(head.target, "/a/b?x=1&y");
  assert.equal(head.path, "/a/b");
  assert.equal(head.host?.value, "A.Example.COM:8080");
  assert.equal(head.host?.name, "a.example.com");
  assert.equal(head.host?.port, "8080");
  assert.equal(head.kept, "Accept: */*\r\nX-Two: 1\r\nX-Two: 2\r\n");
  assert.equal(head.keepAlive, true);
  assert.equal(head.bodyLength, 0);
  assert.equal(head.irregular, false);
});

test("forms of the target", () => {
  assert.equal(accept("GET http://b.com:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n").host?.value, "b.com:81");
  assert.equal(accept("GET http://b.com:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n").target, "/x?y");
  assert.equal(accept("GET http://b.com HTTP/1.1\r\nHost: a\r\n\r\n").target, "/");
  assert.equal(accept("GET http://b.com?q HTTP/1.1\r\nHost: a\r\n\r\n").target, "/?q");
  assert.equal(accept("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").target, "*");
  assert.equal(codeOf(read(["GET * HTTP/1.1\r\nHost: a\r\n\r\n"])), "DOWNSTREAM_MALFORMED");
  assert.equal(codeOf(read(["GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n"])), "DOWNSTREAM_MALFORMED");
  assert.equal(codeOf(read(["GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n"])), "DOWNSTREAM_MALFORMED");
  assert.equal(codeOf(read(["CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"])), "DOWNSTREAM_NOT_IMPLEMENTED");
});

test("keep-alive by version and Connection", () => {
  const keepAlive = (version: string, connection: string): boolean =>
    accept(`GET / HTTP/${version}\r\nHost: a\r\n${connection}\r\n`).keepAlive;
  assert.equal(keepAlive("1.1", ""), true);
  assert.equal(keepAlive("1.1", "Connection: close\r\n"), false);
  assert.equal(keepAlive("1.1", "Connection: Keep-Alive, X\r\nConnection: CLOSE\r\n"), false);
  assert.equal(keepAlive("1.0", ""), false);
  assert.equal(keepAlive("1.0", "Connection: keep-alive\r\n"), true);
  assert.equal(keepAlive("1.0", "Connection: keep-alive\r\nConnection: close\r\n"), false);
});

test("fields for one hop are not among those passed on", () => {
  const head = accept(
    get(
      "A: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nB: 2\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n" +
        "Expect: 100-continue\r\nForwarded: for=1\r\nX-Consumer-Username: root\r\nx-consumer-other: 1\r\n" +
        "X-Credential-Identifier: 1\r\nProxy-Authorization: x\r\nC: 3\r\n",
    ),
  );
  assert.equal(head.kept, "A: 1\r\nB: 2\r\nC: 3\r\n");
  assert.equal(head.upgrade, null, "Upgrade counts only where Connection names it");
});

test("an upgrade is not passed on with a body, nor to HTTP/2 in clear text", () => {
  const upgrade = (protocol: string, more = ""): string | null =>
    accept(get(`Connection: Upgrade\r\nUpgrade: ${protocol}\r\n${more}`)).upgrade;
  assert.equal(upgrade("websocket"), "websocket");
  assert.equal(upgrade("h2cx, foo/h2c.1"), "h2cx, foo/h2c.1");
  assert.equal(upgrade("websocket", "Content-Length: 0\r\n"), "websocket");
  assert.equal(upgrade("websocket", "Content-Length: 1\r\n"), null);
  assert.equal(upgrade("websocket", "Transfer-Encoding: chunked\r\n"), null);
  for (const protocol of ["h2c", "H2C", "h2c,websocket", "websocket, h2c", "h2c/1", "websocket,\th2c ", "HTTP/2.0"]) {
    assert.equal(upgrade(protocol), null, protocol);
  }
});

test("underscores count only where they are allowed", () => {
  assert.equal(accept(get("X_A: 1\r\n")).kept, "X_A: 1\r\n");
  assert.equal(accept(get("X_A: 1\r\n"), { ...limits, underscoresInHeaders: false }).kept, "");
});

test("limits: 414 for the request line, 400 for a line, 431 for all", () => {
  const line = (size: number): string => `GET /${"a".repeat(size - "GET / HTTP/1.1\r\n".length)} HTTP/1.1\r\n`;
  assert.equal(codeOf(read([`${line(8192)}Host: a\r\n\r\n`])), "accepted");
  assert.equal(codeOf(read([`${line(8193)}Host: a\r\n\r\n`])), "DOWNSTREAM_TARGET_TOO_LONG");
  assert.equal(codeOf(read([`GET /${"a".repeat(9000)}`])), "DOWNSTREAM_TARGET_TOO_LONG");
  const field = (size: number): string => `X: ${"a".repeat(size - 5)}\r\n`;
  assert.equal(codeOf(read([get(field(8192))])), "accepted");
  assert.equal(codeOf(read([get(field(8193))])), "DOWNSTREAM_MALFORMED");
  assert.equal(codeOf(read([get(field(8000).repeat(5))])), "DOWNSTREAM_HEAD_TOO_LARGE");
  assert.equal(codeOf(read(["GET / HTTP/1.1\r\n", field(8000).repeat(5)])), "DOWNSTREAM_HEAD_TOO_LARGE");
});

test("one empty line before a request is ignored", () => {
  assert.equal(codeOf(read([`\r\n${get("")}`])), "accepted");
  assert.equal(codeOf(read(["\r", "\n", get("")])), "accepted");
  assert.equal(codeOf(read([`\r\n\r\n${get("")}`])), "DOWNSTREAM_MALFORMED");
});

test("the smuggling corpus is refused", async (t) => {
  for (const { name, bytes, code } of smugglingCases) {
    if (code === "body") continue;
    await t.test(name, () => {
      assert.equal(codeOf(read([bytes])), code);
    });
  }
});

test("the corpus in pieces gives the same as in one", () => {
  for (const { bytes } of smugglingCases) {
    const whole = codeOf(read([bytes]));
    if (whole === "incomplete") continue;
    assert.equal(codeOf(read([...bytes])), whole, JSON.stringify(bytes));
  }
});

const chaos = fc.constantFrom(
  ..."GET POST / HTTP/1.1\r\n: \t;,=%2e\0\x7f\x80ÿ#?ahost".split(""),
  "\r\n",
  "Host: a\r\n",
  "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "\r\n\r\n",
  "GET / HTTP/1.1\r\n",
);

test("any bytes in any pieces give the same as in one", () => {
  fc.assert(
    fc.property(fc.array(chaos, { maxLength: 40 }), fc.array(fc.nat(200), { maxLength: 6 }), (parts, cuts) => {
      const text = `GET / HTTP/1.1\r\n${parts.join("")}\r\n\r\n`;
      const small = { ...limits, maxRequestLine: 64, maxHeaderLine: 64, maxHead: 160 };
      const whole = codeOf(read([text], small));
      const places = [...new Set(cuts.map((cut) => cut % text.length))].sort((a, b) => a - b);
      const pieces = [...places, text.length].map((end, i) => text.slice(i === 0 ? 0 : places[i - 1], end));
      assert.equal(codeOf(read(pieces, small)), whole);
      assert.equal(codeOf(read([...text], small)), whole);
    }),
    { numRuns: 2_000 },
  );
});

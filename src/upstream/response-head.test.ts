import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyEnd, bodyLengthOf, couldBeHead, parseResponseHead, type ResponseText } from "./response-head.ts";

function read(text: string): ResponseText | string {
  const bytes = Buffer.from(`${text}\r\n`, "latin1");
  return parseResponseHead(bytes, 0, bytes.toString("latin1"), text.length);
}

function accept(text: string): ResponseText {
  const head = read(text);
  assert.ok(typeof head !== "string", String(head));
  return head;
}

test("a plain response", () => {
  const head = accept(
    "HTTP/1.1 200 All right\r\nServer: o\r\nDate: d\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: keep-alive\r\nX-A: 1\r\nKeep-Alive: 5\r\nX-A: 2\r\n",
  );
  assert.equal(head.status, 200);
  assert.equal(head.reason, " All right");
  assert.equal(head.contentLength, 5);
  assert.equal(head.kept, "X-A: 1\r\nX-A: 2\r\n");
  assert.equal(head.keepAlive, true);
  assert.equal(head.irregular, false);
});

test("status lines", () => {
  assert.equal(accept("HTTP/1.1 204\r\n").reason, " ");
  assert.equal(accept("HTTP/1.1 299 \r\n").reason, " ");
  assert.equal(accept("HTTP/1.0 999 x\r\n").minor, 0);
  for (const line of [
    "HTTP/1.1 20 OK",
    "HTTP/1.1 2000 OK",
    "HTTP/1.1 +20 OK",
    "HTTP/1.1  200 OK",
    "HTTP/1.2 200 OK",
    "HTTP/2 200 OK",
    "HTTP/1.1 099 OK",
    "http/1.1 200 OK",
    "HTTP/1.1 200 O\0K",
    "HTTP/1.1 200 O\rK",
    "HTTP/1.1 200OK",
    " HTTP/1.1 200 OK",
    "ICY 200 OK",
  ]) {
    assert.equal(typeof read(`${line}\r\n`), "string", line);
  }
});

test("a response whose end is not sure is refused", () => {
  for (const fields of [
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 5, 5",
    "Content-Length: +5",
    "Content-Length: -1",
    "Content-Length:",
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding : chunked",
    "X: a\nContent-Length: 5",
    "X: a\r\n folded",
    "X: a\rb",
    "X: a\0",
    ": a",
    "no colon",
  ]) {
    assert.equal(typeof read(`HTTP/1.1 200 OK\r\n${fields}\r\n`), "string", fields);
  }
  assert.equal(typeof read("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"), "string");
});

test("a tab around the framing, which some readers take for a part of the value, is refused", () => {
  for (const blank of ["\t", " \t", "\t "]) {
    for (const value of [`Content-Length:${blank}5`, `Content-Length: 5${blank}`]) {
      assert.equal(typeof read(`HTTP/1.1 200 OK\r\n${value}\r\n`), "string", JSON.stringify(value));
    }
    assert.equal(typeof read(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked${blank}\r\n`), "string");
  }
  assert.equal(accept("HTTP/1.1 200 OK\r\nX:\t5\t\r\nContent-Length:  5  \r\n").contentLength, 5);
});

test("a body where there can be none: an interim response is refused, a connection with a 204 is not reused", () => {
  assert.equal(typeof read("HTTP/1.1 103 Early\r\nContent-Length: 5\r\n"), "string");
  assert.equal(typeof read("HTTP/1.1 101 Switching\r\nTransfer-Encoding: chunked\r\n"), "string");
  assert.equal(accept("HTTP/1.1 204 No\r\n").keepAlive, true);
  assert.equal(accept("HTTP/1.1 204 No\r\nContent-Length: 0\r\n").keepAlive, true);
  assert.equal(accept("HTTP/1.1 204 No\r\nContent-Length: 5\r\n").keepAlive, false);
  assert.equal(accept("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n").keepAlive, false);
  assert.equal(accept("HTTP/1.1 304 No\r\nContent-Length: 5\r\n").keepAlive, true);
});

test("the end of the body (RFC 9112, section 6.3)", () => {
  const ends = (text: string, toHead = false): number => bodyLengthOf(accept(text), toHead);
  assert.equal(ends("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), 5);
  assert.equal(ends("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", true), 0);
  assert.equal(ends("HTTP/1.1 204 No\r\nContent-Length: 5\r\n"), 0);
  assert.equal(ends("HTTP/1.1 304 No\r\nContent-Length: 5\r\n"), 0);
  assert.equal(ends("HTTP/1.1 103 Early\r\nContent-Length: 0\r\n"), 0);
  assert.equal(ends("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n"), BodyEnd.chunked);
  assert.equal(ends("HTTP/1.1 200 OK\r\n"), BodyEnd.close);
});

test("a head that will never end well is not waited for", () => {
  for (const text of ["H", "HTTP/1", "HTTP/1.1 200 OK\r", "HTTP/1.1 200 OK\r\nX: a\r\n\r"]) {
    assert.equal(couldBeHead(text), true, JSON.stringify(text));
  }
  for (const text of [
    "h",
    "ICY 200",
    "HTTP/2",
    "HTTP/1.1 200 OK\n",
    "HTTP/1.1 200 OK\r\r",
    "HTTP/1.1 200 OK\r\nX: a\n\n",
  ]) {
    assert.equal(couldBeHead(text), false, JSON.stringify(text));
  }
});

test("what Connection lists is for one hop", () => {
  const head = accept("HTTP/1.1 200 OK\r\nConnection: X-Hop, close, Set-Cookie\r\nX-Hop: 1\r\n");
  assert.deepEqual(head.connectionFields, ["x-hop"]);
  assert.equal(head.keepAlive, false);
  assert.equal(head.irregular, true);
});

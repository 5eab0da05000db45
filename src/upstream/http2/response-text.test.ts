import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as check, oneof, constantFrom, property, string, tuple } from "fast-check";
import { fieldsOf, responseText, trailerLines } from "./response-text.ts";

test("a head keeps its fields in their order, several of one name too", () => {
  const head = responseText(200, [":status", "200", "content-type", "application/grpc", "x-a", "1", "x-a", "2"]);
  assert.ok(typeof head !== "string");
  assert.equal(head.text, "HTTP/1.1 200 \r\ncontent-type: application/grpc\r\nx-a: 1\r\nx-a: 2\r\n");
  assert.equal(head.reason, null);
  assert.equal(head.contentType, "application/grpc");
  assert.equal(head.kept, "x-a: 1\r\nx-a: 2\r\n");
});

test("what HTTP/2 does not have is left out, what could break a line refused", () => {
  const head = responseText(200, ["connection", "close", "transfer-encoding", "chunked", "upgrade", "h2c"]);
  assert.ok(typeof head !== "string");
  assert.equal(head.text, "HTTP/1.1 200 \r\n");
  assert.equal(responseText(200, ["x", "a\r\nb: c"]), "invalid header field");
  assert.equal(responseText(200, ["x y", "a"]), "invalid header field");
  assert.equal(responseText(200, ["content-length", "1", "content-length", "2"]), "repeated Content-Length");
  assert.equal(trailerLines(["grpc-status", "0", "x", "a\nb"]), "");
  assert.equal(trailerLines(["grpc-status", "0", "grpc-message", ""]), "grpc-status: 0\r\ngrpc-message: \r\n");
});

test("an object of headers becomes a list", () => {
  assert.deepEqual(fieldsOf({ a: "1", "set-cookie": ["x", "y"] }), ["a", "1", "set-cookie", "x", "set-cookie", "y"]);
});

test("whatever a node sends, the text has one line for each field", () => {
  const name = oneof(constantFrom("x", "date", "server", "connection", ":status", "te"), string());
  check(
    property(array(tuple(name, string()), { maxLength: 6 }), (pairs) => {
      const head = responseText(200, pairs.flat());
      if (typeof head === "string") return;
      let lines = 0;
      head.forEach(() => lines++);
      assert.ok(lines <= pairs.length);
      assert.equal(head.text.split("\r\n").length, lines + 2);
    }),
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as check, array, property, uint8Array } from "fast-check";
import { KeptBody } from "./kept-body.ts";

test("pieces are put together, the first one without a copy, none is written to", () => {
  check(
    property(array(uint8Array({ maxLength: 700 }), { maxLength: 12 }), (given) => {
      const pieces = given.map((bytes) => Buffer.from(bytes));
      const body = new KeptBody();
      let first = true;
      for (const piece of pieces) {
        assert.equal(body.add(piece), first && piece.length > 0);
        first &&= piece.length === 0;
      }
      assert.deepEqual(body.bytes, Buffer.concat(pieces));
      assert.deepEqual(
        pieces,
        given.map((bytes) => Buffer.from(bytes)),
      );
    }),
  );
});

test("what was handed out stays as it was while more is added", () => {
  const body = new KeptBody();
  body.add(Buffer.from("one"));
  body.add(Buffer.from("two"));
  const before = body.bytes;
  for (let i = 0; i < 5_000; i++) body.add(Buffer.from("x"));
  assert.equal(before.toString(), "onetwo");
  assert.equal(body.length, 5_006);
});

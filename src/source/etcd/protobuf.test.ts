import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { defineMessage } from "./protobuf.ts";
import { watchResponse } from "./rpc.ts";

interface Inner {
  readonly text: string;
}

interface Sample {
  readonly number: number;
  readonly long: bigint;
  readonly flag: boolean;
  readonly text: string;
  readonly bytes: Buffer;
  readonly inner: Inner | null;
  readonly list: readonly Inner[];
  readonly numbers: readonly number[];
}

const inner = defineMessage<Inner>({ text: [1, "string"] });
const sample = defineMessage<Sample>({
  number: [1, "int"],
  long: [2, "long"],
  flag: [3, "bool"],
  text: [4, "string"],
  bytes: [15, "bytes"],
  inner: [16, inner],
  list: [2_000, inner, "repeated"],
  numbers: [6, "int", "repeated"],
});

const text = fc.string({ unit: "grapheme" });
const inners = fc.record({ text }, { noNullPrototype: true });

test("what is written is read", () => {
  fc.assert(
    fc.property(
      fc.record(
        {
          number: fc.maxSafeNat(),
          long: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
          flag: fc.boolean(),
          text,
          bytes: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
          inner: fc.option(inners),
          list: fc.array(inners),
          numbers: fc.array(fc.maxSafeNat()),
        },
        { noNullPrototype: true },
      ),
      (value) => assert.deepEqual(sample.decode(sample.encode(value)), value),
    ),
  );
});

test("the bytes are those of the specification, absent fields have their defaults", () => {
  // https://protobuf.dev/programming-guides/encoding/: field 1 with 150 is 08 96 01.
  assert.equal(sample.encode({ number: 150 }).toString("hex"), "089601");
  assert.equal(sample.encode({ text: "testing" }).toString("hex"), "220774657374696e67");
  assert.equal(sample.encode({ number: 0, text: "", flag: false, inner: { text: "" } }).toString("hex"), "820100");
  assert.deepEqual(sample.decode(Buffer.alloc(0)), {
    number: 0,
    long: 0n,
    flag: false,
    text: "",
    bytes: Buffer.alloc(0),
    inner: null,
    list: [],
    numbers: [],
  });
});

test("fields that are not known are skipped", () => {
  const newer = defineMessage<{ a: number; b: string; text: string }>({
    a: [77, "int"],
    b: [78, "string"],
    text: [4, "string"],
  });
  assert.equal(sample.decode(newer.encode({ a: 5, b: "x", text: "kept" })).text, "kept");
});

test("bytes that are no message are refused, never misread by a fault of ours", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        watchResponse.decode(Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof TypeError), String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

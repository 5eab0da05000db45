import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { ChunkedDecoder } from "./chunked-decoder.ts";

interface Result {
  readonly data: string;
  readonly outcome: "done" | "open" | "malformed";
  readonly trailers: string;
  /** Bytes after the body. */
  readonly rest: number;
}

function decode(pieces: readonly string[]): Result {
  const decoder = new ChunkedDecoder();
  let data = "";
  let rest = 0;
  for (const piece of pieces) {
    if (decoder.done) {
      rest += piece.length;
      continue;
    }
    // A margin on both sides shows that only the range is touched.
    const buffer = Buffer.from(`<<${piece}>>`, "latin1");
    if (!decoder.decode(buffer, 2, 2 + piece.length)) return { data, outcome: "malformed", trailers: "", rest: 0 };
    data += buffer.toString("latin1", decoder.from, decoder.to);
    assert.equal(buffer.toString("latin1", 0, 2) + buffer.toString("latin1", piece.length + 2), "<<>>");
    rest += piece.length + 2 - decoder.end;
  }
  return { data, outcome: decoder.done ? "done" : "open", trailers: decoder.trailers, rest };
}

test("several chunks in one piece are moved together", () => {
  const result = decode(["5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\n\r\nGET"]);
  assert.deepEqual(result, { data: "hello world", outcome: "done", trailers: "", rest: 3 });
});

test("trailers are checked, and those that mean something to a proxy dropped", () => {
  const result = decode(["0\r\nX-Sum:  1 \r\nContent-Length: 5\r\nX-Forwarded-For: 1\r\nhost: b\r\n\r\n"]);
  assert.deepEqual(result, { data: "", outcome: "done", trailers: "X-Sum: 1\r\n", rest: 0 });
});

test("any body in any chunks and pieces comes out as it went in", () => {
  const chunk = fc.string({ minLength: 1, maxLength: 50 }).map((text) => Buffer.from(text).toString("latin1"));
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 10 }), fc.array(fc.nat(400), { maxLength: 8 }), (chunks, cuts) => {
      const body = chunks.map((data) => `${data.length.toString(16)}\r\n${data}\r\n`).join("");
      const text = `${body}0\r\n\r\n`;
      const places = [...new Set(cuts.map((cut) => cut % text.length))].sort((a, b) => a - b);
      const pieces = [...places, text.length].map((end, i) => text.slice(i === 0 ? 0 : places[i - 1], end));
      const expected = { data: chunks.join(""), outcome: "done", trailers: "", rest: 0 };
      assert.deepEqual(decode(pieces), expected);
      assert.deepEqual(decode([...text]), expected);
    }),
    { numRuns: 300 },
  );
});

test("broken bytes give the same in pieces as in one", () => {
  const part = fc.constantFrom(
    "5\r\nhello\r\n",
    "0\r\n",
    "\r\n",
    "\n",
    "\r",
    ";x",
    " ",
    "g",
    "A: b\r\n",
    "\0",
    "1\r\na\r\n",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const text = parts.join("");
      const whole = decode([text]);
      const bytewise = decode([...text]);
      assert.equal(bytewise.outcome, whole.outcome);
      if (whole.outcome === "done") assert.deepEqual(bytewise, whole);
    }),
    { numRuns: 1_000 },
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseResponseHead, type ResponseText } from "../upstream/response-head.ts";
import { Answer } from "./answer.ts";
import { compileContentTypes } from "./http1/answer-form.ts";
import { answerHead } from "./http1/answer-head.ts";

function received(lines: readonly string[]): ResponseText {
  const text = `HTTP/1.1 200 Fine\r\n${lines.map((line) => `${line}\r\n`).join("")}`;
  const head = parseResponseHead(Buffer.from(`${text}\r\n`, "latin1"), 0, text, text.length);
  if (typeof head === "string") throw new Error(head);
  return head;
}

const LINES = [
  "Date: d",
  "Content-Type: text/plain",
  "Content-Length: 3",
  "Server: s",
  "X-A: 1",
  "x-a: 2",
  "X-B:  blanks ",
  "X-C: 3",
  "Connection: x-c",
  "Set-Cookie: a=1",
  "Set-Cookie: b=2",
  "Trailer: x-t",
];
const NAMES = [
  "X-A",
  "x-b",
  "X-C",
  "X-New",
  "Set-Cookie",
  "Date",
  "Content-Type",
  "Content-Length",
  "Server",
  "Trailer",
];

type Step = readonly [method: "set" | "add" | "remove" | "read", name: string, value: string];
const steps = fc.array(
  fc.tuple(
    fc.constantFrom<Step[0]>("set", "add", "remove", "read"),
    fc.constantFrom(...NAMES),
    fc.constantFrom("v", "w", ""),
  ),
  { maxLength: 8 },
);

function take(answer: Answer, [method, name, value]: Step): void {
  if (method === "set") answer.setHeader(name, value);
  else if (method === "add") answer.addHeader(name, value);
  else if (method === "remove") answer.removeHeader(name);
}

test("headers that are only added give the same head as if all had been copied", () => {
  const property = fc.property(fc.subarray(LINES), steps, fc.boolean(), (lines, changes, status) => {
    const lazy = new Answer(200, received([...lines, "X-Copied: 1"]));
    const copied = new Answer(200, received([...lines, "X-Copied: 1"]));
    // Removing a header that is there copies all.
    copied.removeHeader("X-Copied");
    for (const step of changes) {
      const name = step[1].toLowerCase();
      take(lazy, step);
      take(copied, step);
      assert.equal(lazy.header(name), copied.header(name), name);
    }
    if (status) lazy.status = copied.status = 404;
    const headOf = (answer: Answer): string =>
      answerHead(answer, 3, true, "Server: Turnpike\r\n", compileContentTypes("utf-8"));
    assert.equal(headOf(lazy).replace("X-Copied: 1\r\n", ""), headOf(copied));
  });
  fc.assert(property, { numRuns: 2_000 });
});

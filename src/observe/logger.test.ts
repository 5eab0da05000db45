import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { createLogger } from "./logger.ts";

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "turnpike-log-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("a message is one readable line; levels below the configured one are left out", (t) => {
  const errorLog = join(directory(t), "logs/error.log");
  const log = createLogger({ errorLog, level: "warn" }, "worker 3");
  t.after(() => log.close());
  log.info("not written");
  log.notice("not written");
  log.warn("a\nb\r\u001b[31m");
  log.error("c");
  const lines = readFileSync(errorLog, "utf8").split("\n");
  assert.equal(lines.length, 3);
  assert.match(lines[0] ?? "", /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[warn\] worker 3: a\\nb\\x0d\\x1b\[31m$/);
  assert.match(lines[1] ?? "", /\[error\] worker 3: c$/);
  assert.equal(log.enabled("info"), false);
  assert.equal(log.enabled("error"), true);
});

test("a long line is cut to what the system appends in one piece", (t) => {
  const errorLog = join(directory(t), "error.log");
  const log = createLogger({ errorLog, level: "debug" }, "control");
  t.after(() => log.close());
  log.debug("x".repeat(10_000));
  const text = readFileSync(errorLog);
  assert.equal(text.length, 4096);
  assert.equal(text.toString().endsWith("x…\n"), true);
});

test("after a rotation reopen() writes to a new file", (t) => {
  const errorLog = join(directory(t), "error.log");
  const log = createLogger({ errorLog, level: "info" }, "supervisor");
  t.after(() => log.close());
  log.info("one");
  renameSync(errorLog, `${errorLog}.1`);
  log.info("two");
  log.reopen();
  log.info("three");
  assert.equal(readFileSync(`${errorLog}.1`, "utf8").split("\n").length, 3);
  assert.match(readFileSync(errorLog, "utf8"), /three\n$/);
});

test("a file that cannot be reopened goes on, and says so", (t) => {
  const errorLog = join(directory(t), "error.log");
  const log = createLogger({ errorLog, level: "info" }, "supervisor");
  t.after(() => log.close());
  renameSync(errorLog, `${errorLog}.1`);
  mkdirSync(errorLog);
  log.reopen();
  assert.match(readFileSync(`${errorLog}.1`, "utf8"), /\[error\] supervisor: error log .* was not reopened: EISDIR/);
});

test("a file that cannot be opened is an error at once", (t) => {
  const errorLog = directory(t);
  assert.throws(() => createLogger({ errorLog, level: "info" }, "control"), { code: "EISDIR" });
});

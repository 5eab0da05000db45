import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { buildRequest } from "../plugin/fake-request.ts";
import type { FakeRequestOptions } from "../plugin/fake-request.ts";
import { compileAccessLine } from "./access-line.ts";
import { createAccessLog } from "./access-log.ts";
import { LineBuffer } from "./line-buffer.ts";
import type { Logger } from "./logger.ts";

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "turnpike-access-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function line(format: string, escape: "default" | "json" | "none", options: FakeRequestOptions): string {
  const out = new LineBuffer(8);
  compileAccessLine(format, escape)(buildRequest(options), out);
  return out.filled().toString("latin1");
}

/** A logger that remembers what it was told. */
function recorder(): Logger & { readonly messages: string[] } {
  const messages: string[] = [];
  const add = (message: string): void => void messages.push(message);
  return {
    messages,
    debug: add,
    info: add,
    notice: add,
    warn: add,
    error: add,
    enabled: () => true,
    reopen() {},
    close() {},
  };
}

test("the default format of APISIX", () => {
  const format =
    '$remote_addr - $remote_user [$time_local] $http_host "$request_line" $status $body_bytes_sent $request_time ' +
    '"$http_referer" "$http_user_agent" $upstream_addr $upstream_status $upstream_response_time ' +
    '"$upstream_scheme://$upstream_host$upstream_uri"';
  const written = line(format, "default", {
    target: "/a?b=1",
    headers: [
      ["Host", "foo.com"],
      ["User-Agent", 'x"y\u0001é'],
    ],
    attempts: [
      {
        address: "127.0.0.1:80",
        named: "127.0.0.1",
        scheme: "http",
        host: "foo.com",
        status: 200,
        connectTime: 0,
        headerTime: 0.01,
        responseTime: 0.0123,
      },
    ],
  });
  const [before, after] = written.split(/\[.*?\]/);
  assert.equal(before, "127.0.0.1 - - ");
  assert.equal(
    after,
    ' foo.com "GET /a?b=1 HTTP/1.1" 200 12 0.004 "-" "x\\x22y\\x01\\xE9" 127.0.0.1:80 200 0.012 "http://foo.com"\n',
  );
});

test("escape=json makes values of JSON strings, without a value they are empty", () => {
  const headers = [["X-A", 'a"\\\t\u0001b']] as const;
  assert.equal(line('{"a":"$http_x_a","b":"$http_x_b"}', "json", { headers }), '{"a":"a\\"\\\\\\t\\u0001b","b":""}\n');
});

test("escape=none leaves values as they are", () => {
  assert.equal(line("$http_x_a|$http_x_b", "none", { headers: [["X-A", 'a"\\b']] }), 'a"\\b|\n');
});

test("text of the configuration is written as UTF-8, bytes of the wire as they came", () => {
  const written = line("→ $route_name $http_x", "none", { route: { name: "né…" }, headers: [["X", "\u00c3\u00a9"]] });
  assert.equal(Buffer.from(written, "latin1").toString(), "→ né… é\n");
});

test("a client cannot add lines", () => {
  const written = line("$http_x $arg_a", "default", { headers: [["X", "a\nb"]], target: "/?a=%0A%0D" });
  assert.equal(written, "a\\x0Ab \\x0A\\x0D\n");
});

test("lines come in order, whole, over many flushes", async (t) => {
  const file = join(directory(t), "logs/access.log");
  const log = createAccessLog({ file, format: "$arg_i", escape: "default", buffer: 100 }, recorder());
  for (let i = 0; i < 2000; i++) log.write(buildRequest({ target: `/?i=${i}` }));
  await log.close();
  assert.equal(readFileSync(file, "utf8"), Array.from({ length: 2000 }, (_, i) => `${i}\n`).join(""));
});

test("reopen() after a rotation loses nothing", async (t) => {
  const file = join(directory(t), "access.log");
  const log = createAccessLog({ file, format: "$arg_i", escape: "default", buffer: 1000 }, recorder());
  log.write(buildRequest({ target: "/?i=1" }));
  renameSync(await log.flush().then(() => file), `${file}.1`);
  log.write(buildRequest({ target: "/?i=2" }));
  await log.reopen();
  log.write(buildRequest({ target: "/?i=3" }));
  await log.close();
  assert.equal(readFileSync(`${file}.1`, "utf8"), "1\n2\n");
  assert.equal(readFileSync(file, "utf8"), "3\n");
});

test("a reader that stalls costs lines, not memory, and the error log says so once", async (t) => {
  const pipe = join(directory(t), "pipe");
  execFileSync("mkfifo", [pipe]);
  // Read and write, so that neither end waits for the other to be opened.
  const held = openSync(pipe, "r+");
  const messages = recorder();
  const format = `${"x".repeat(1000)}$arg_i`;
  const log = createAccessLog({ file: pipe, format, escape: "default", buffer: 4096 }, messages);
  for (let i = 0; i < 6000; i++) log.write(buildRequest({ target: `/?i=${i}` }));
  const reader = spawn("cat", [pipe], { stdio: ["ignore", "pipe", "inherit"] });
  const received = text(reader.stdout);
  await log.close();
  closeSync(held);
  const lines = (await received).split("\n").slice(0, -1);
  assert.deepEqual(
    lines,
    lines.map((_, i) => `${"x".repeat(1000)}${i}`),
  );
  assert.deepEqual(messages.messages, [
    `access log ${pipe}: ${6000 - lines.length} lines dropped: the disk did not keep up`,
  ]);
});

test("a disk that refuses is reported once", async () => {
  const messages = recorder();
  const log = createAccessLog({ file: "/dev/full", format: "$uri", escape: "default", buffer: 1 }, messages);
  log.write(buildRequest());
  await log.flush();
  log.write(buildRequest());
  await log.close();
  assert.equal(messages.messages.length, 1);
  assert.match(messages.messages[0] ?? "", /^access log \/dev\/full: ENOSPC/);
});

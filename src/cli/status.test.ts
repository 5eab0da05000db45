import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { freePort } from "../../test/support/ports.ts";
import { boardOf, reportOf, startFixture, startWorker, type Fixture } from "../status/test-fixture.ts";
import { ExitCode } from "./exit-codes.ts";
import { findStatusApi, originOf, type Terminal } from "./status-client.ts";
import { statusCommand } from "./status.ts";
import { waitCommand, type WaitOptions } from "./wait.ts";

interface Recorder extends Terminal {
  readonly printed: string[];
  readonly errors: string[];
}

function record(): Recorder {
  const printed: string[] = [];
  const errors: string[] = [];
  return {
    printed,
    errors,
    out: (line) => void printed.push(line),
    err: (line) => void errors.push(line),
    progress: () => undefined,
  };
}

const deployment = "deployment:\n  role: data_plane\n  role_data_plane:\n    config_provider: yaml\n";
const place = { prefix: "/nonexistent" };

function wait(fixture: Pick<Fixture, "origin">, options: Partial<WaitOptions>, terminal = record()): Promise<ExitCode> {
  return waitCommand({ place, url: fixture.origin, ...options }, terminal);
}

/** A prefix whose config.yaml has `text` below `apisix`. */
function prefixWith(t: TestContext, text: string): string {
  const prefix = mkdtempSync(join(tmpdir(), "turnpike-"));
  t.after(() => rmSync(prefix, { recursive: true }));
  mkdirSync(join(prefix, "conf"));
  writeFileSync(join(prefix, "conf", "config.yaml"), `apisix:\n${text}${deployment}`);
  return prefix;
}

test("status: a ready gateway, for people", async (t) => {
  const fixture = await startFixture(t, boardOf(2, 7));
  fixture.report = reportOf(7, {
    rejected: [{ kind: "routes", id: "r1", field: "uri", error: "bad", since: 1000, revision: 7, serving: "previous" }],
  });
  const terminal = record();
  assert.equal(await statusCommand({ place, url: fixture.origin }, terminal), ExitCode.ok);
  const text = terminal.printed.join("\n");
  assert.match(text, /^ready\n/);
  assert.match(text, /configuration {2}degraded \(source yaml\)/);
  assert.match(text, /revision {7}7, applied 7,/);
  assert.match(text, /rejected {7}routes\/r1 uri: bad \(since 1970-.*, its previous version serves\)/);
  assert.match(text, /^worker {2}state {4}generation/m);
  assert.match(text, /^1 {7}running {2}1 /m);
});

test("status: not ready, as JSON and for people", async (t) => {
  const board = boardOf(2, 1);
  const fixture = await startFixture(t, board);
  startWorker(board, 1, 0);
  const terminal = record();
  assert.equal(await statusCommand({ place, url: fixture.origin, json: true }, terminal), ExitCode.failed);
  const json = JSON.parse(terminal.printed.join("")) as Record<string, Record<string, unknown> & string & boolean>;
  assert.equal(json["ready"], false);
  assert.equal(json["error"], "worker id: 1 has not received configuration");
  assert.equal(json["config"]?.["revision"], 1);
  const human = record();
  await statusCommand({ place, url: fixture.origin }, human);
  assert.equal(human.printed[0], "not ready: worker id: 1 has not received configuration");
  assert.match(human.printed[1] ?? "", /^ {2}waiting for worker id: 1 to apply revision 1 \(\d+\.\ds\)$/);
});

test("status: what a stranger may see, and who is no gateway", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1), { allowDetails: [] });
  const terminal = record();
  assert.equal(await statusCommand({ place, url: fixture.origin }, terminal), ExitCode.ok);
  assert.match(terminal.printed.join("\n"), /^ready\ndetails are not answered/);
  const other = createServer((_request, response) => response.end("<html>")).listen(0, "127.0.0.1");
  t.after(() => other.close());
  await once(other, "listening");
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  for (const command of [
    () => statusCommand({ place, url }, record()),
    () => wait({ origin: url }, { timeout: "1s" }),
    () => wait({ origin: url }, { revision: "1", timeout: "1s" }),
  ]) {
    assert.equal(await command(), ExitCode.failed);
  }
});

test("status and wait: nothing listens", async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const terminal = record();
  assert.equal(await statusCommand({ place, url }, terminal), ExitCode.unreachable);
  assert.match(terminal.errors.join(""), /not running: .*ECONNREFUSED/);
  assert.equal(await wait({ origin: url }, { timeout: "150ms" }), ExitCode.unreachable);
  assert.equal(await wait({ origin: url }, { revision: "1", timeout: "0" }), ExitCode.unreachable);
});

test("wait: ready at once, later, or not in time", async (t) => {
  const board = boardOf(1, 1);
  const fixture = await startFixture(t, board);
  const terminal = record();
  assert.equal(await wait(fixture, {}, terminal), ExitCode.ok);
  assert.deepEqual(terminal.printed, ["ready"]);
  board.draining = true;
  const late = record();
  assert.equal(await wait(fixture, { ready: true, timeout: "120ms" }, late), ExitCode.failed);
  assert.deepEqual(late.errors, ["turnpike: ready not reached within 0.1s: draining"]);
  let shown = "";
  const watching = { ...record(), progress: (line: string | null) => void (shown = line ?? shown) };
  const waiting = waitCommand({ place, url: fixture.origin, timeout: "20s" }, watching);
  while (!shown.includes(": draining")) await new Promise(setImmediate);
  board.draining = false;
  assert.equal(await waiting, ExitCode.ok);
});

test("wait: a gateway that starts during the wait", async (t) => {
  const first = await startFixture(t, boardOf(1, 1));
  await first.close();
  const waiting = wait(first, { timeout: "20s" });
  await startFixture(t, boardOf(1, 1), { port: first.port });
  assert.equal(await waiting, ExitCode.ok);
});

test("wait: for a revision", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const terminal = record();
  const waiting = wait(fixture, { revision: "2" }, terminal);
  while (fixture.waiting === 0) await new Promise(setImmediate);
  fixture.board.publish(2, 0n);
  fixture.board.record(0).acknowledge(2, 0n, Date.now());
  fixture.report = reportOf(2);
  fixture.watch.refresh();
  assert.equal(await waiting, ExitCode.ok);
  assert.deepEqual(terminal.printed, ["revision 2 is applied by every worker"]);
  const late = record();
  assert.equal(await wait(fixture, { revision: "3", timeout: "50ms" }, late), ExitCode.failed);
  assert.match(
    late.errors.join(""),
    /revision 3 not reached within 0\.1s: revision 3 is not loaded, the last one is 2/,
  );
});

test("wait: a rejected change", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 2));
  fixture.report = reportOf(2, {
    rejected: [{ kind: "routes", id: "r1", field: "uri", error: "bad", since: 1000, revision: 2, serving: "nothing" }],
  });
  const terminal = record();
  assert.equal(await wait(fixture, { revision: "2" }, terminal), ExitCode.rejected);
  assert.match(terminal.errors.join(""), /routes\/r1 uri: bad .*nothing serves instead/);
  assert.equal(await wait(fixture, { revision: "2", rejected: "ignore" }), ExitCode.ok);
});

test("wait: options that make no sense are named", async () => {
  for (const [options, name] of [
    [{ revision: "x" }, "--revision"],
    [{ revision: "1", ready: true }, "--ready and --revision"],
    [{ timeout: "soon" }, "--timeout"],
    [{ rejected: "yes" }, "--rejected"],
  ] as const) {
    const terminal = record();
    assert.equal(await waitCommand({ place, ...options }, terminal), ExitCode.usage);
    assert.match(terminal.errors.join(""), new RegExp(`^turnpike: ${name}`));
  }
});

test("the address comes from config.yaml, or from --url", (t) => {
  const prefix = prefixWith(t, '  status:\n    ip: "0.0.0.0"\n    port: 7099\n');
  assert.deepEqual(findStatusApi({ place: { prefix } }), { origin: "http://127.0.0.1:7099" });
  assert.deepEqual(findStatusApi({ place: { prefix }, url: "http://[::1]:1/x" }), { origin: "http://[::1]:1" });
  const off = findStatusApi({ place: { prefix: prefixWith(t, "  status: false\n") } });
  assert.deepEqual(off, { errors: ["the Status API is turned off (apisix.status)"] });
  assert.ok("errors" in findStatusApi({ place }));
  assert.ok("errors" in findStatusApi({ place, url: "localhost:7085" }));
  assert.equal(originOf({ ip: "::", port: 1 }), "http://[::1]:1");
  assert.equal(originOf({ ip: "10.0.0.1", port: 1 }), "http://10.0.0.1:1");
});

test("wait: as JSON, reached, rejected and not in time", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 2));
  const asked = async (options: Partial<WaitOptions>): Promise<Record<string, unknown>> => {
    const terminal = record();
    await wait(fixture, { json: true, ...options }, terminal);
    assert.deepEqual(terminal.errors, []);
    assert.equal(terminal.printed.length, 1);
    return JSON.parse(terminal.printed[0] ?? "") as Record<string, unknown>;
  };
  const { reached, goal, error } = await asked({ revision: "2" });
  assert.deepEqual([reached, goal, error], [true, "revision 2", null]);
  assert.match(String((await asked({ revision: "3", timeout: "1ms" }))["error"]), /revision 3 is not loaded/);
  const one = { kind: "routes", id: "r1", field: "", error: "bad", since: 1, revision: 2, serving: "nothing" as const };
  fixture.report = reportOf(2, { rejected: [one] });
  const refused = await asked({ revision: "2" });
  assert.equal(refused["reached"], false);
  assert.equal((refused["rejected"] as { id: string }[])[0]?.id, "r1");
});

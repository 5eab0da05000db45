import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { boardOf, reportOf, startFixture, type Fixture } from "../status/test-fixture.ts";
import { ExitCode } from "./exit-codes.ts";
import { printable, type Screen, type ScreenLine } from "./screen.ts";
import type { Terminal } from "./status-client.ts";
import { sparkText } from "./watch-lines.ts";
import { watchStatus } from "./watch.ts";

/** What is shown, and how to wait for it. */
interface Shown {
  readonly lines: string[];
  until(text: string | RegExp): Promise<void>;
}

function createShown(): Shown & { note(): void } {
  let wake = (): void => undefined;
  const lines: string[] = [];
  return {
    lines,
    note: () => wake(),
    async until(text) {
      while (!lines.some((line) => (typeof text === "string" ? line.includes(text) : text.test(line)))) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** Watches a fixture; with `rows` on a screen of that height. */
function watch(
  t: TestContext,
  fixture: Fixture,
  { json = false, rows }: { json?: boolean; rows?: number },
): { shown: Shown; errors: string[]; ended: Promise<ExitCode>; end(): Promise<ExitCode> } {
  const shown = createShown();
  const errors: string[] = [];
  const terminal: Terminal = {
    out(line) {
      shown.lines.push(line);
      shown.note();
    },
    err: (line) => void errors.push(line),
    progress: () => undefined,
  };
  const screen: Screen | null =
    rows === undefined
      ? null
      : {
          columns: 120,
          rows,
          draw(lines: readonly ScreenLine[]) {
            shown.lines.splice(0, Infinity, ...lines.map(({ text }) => text));
            shown.note();
          },
          close: () => undefined,
        };
  const stop = new AbortController();
  const ended = watchStatus(fixture.origin, { json, terminal, screen, signal: stop.signal });
  t.after(() => stop.abort());
  return {
    shown,
    errors,
    ended,
    async end() {
      stop.abort();
      return await ended;
    },
  };
}

const rejected = {
  kind: "routes",
  id: "r1",
  field: "uri",
  error: "bad\u001b[2J",
  since: 1000,
  revision: 2,
  serving: "previous" as const,
};

test("on a screen: verdict, configuration, workers and journal, drawn anew with every change", async (t) => {
  const board = boardOf(2, 7);
  const fixture = await startFixture(t, board);
  const { shown, end } = watch(t, fixture, { rows: 40 });
  await shown.until(/^● ready, for \d+ s$/);
  await shown.until("All 2 workers serve revision 7.");
  await shown.until(/^worker {2}state {4}req\/s {2}last minute/);
  fixture.report = reportOf(7, { changes: 1, rejected: [rejected] });
  fixture.watch.refresh();
  await shown.until(/^rejected {7}routes\/r1 uri: bad/);
  await shown.until(/^\d\d:\d\d:\d\d {2}routes\/r1 is rejected: uri: bad.*; its previous version serves$/);
  board.draining = true;
  board.announce();
  await shown.until(/^▲ draining, for \d+ s$/);
  assert.ok(shown.lines.length <= 40);
  await fixture.close();
  await shown.until(/^○ unknown for \d/);
  await shown.until("what follows is what was last heard");
  assert.equal(await end(), ExitCode.unreachable);
  assert.match(shown.lines.at(-1) ?? "", /^unknown for /);
});

test("a low screen keeps the verdict and some of the journal", async (t) => {
  const fixture = await startFixture(t, boardOf(64, 1));
  const { shown, end } = watch(t, fixture, { rows: 20 });
  await shown.until(/Revision 1 is live on every worker/);
  assert.ok(shown.lines.length <= 20, `${shown.lines.length} lines`);
  assert.match(shown.lines[0] ?? "", /^● ready/);
  assert.equal(await end(), ExitCode.ok);
});

test("without a terminal: a line for each verdict and each event from now on", async (t) => {
  const board = boardOf(1, 1);
  const fixture = await startFixture(t, board);
  fixture.journal.add({ type: "reload", cause: "long ago" });
  const { shown, end } = watch(t, fixture, {});
  await shown.until(/^\d{4}-\S+Z ready, for /);
  fixture.journal.add({ type: "control-exited", cause: "a\u001b[31mb" });
  await shown.until("The control thread ended: a\ufffd[31mb. Traffic is not affected");
  board.draining = true;
  board.announce();
  await shown.until(/Z draining, for /);
  assert.ok(!shown.lines.some((line) => line.includes("long ago")), "history is not news");
  assert.equal(await end(), ExitCode.failed);
});

test("as JSON: the whole state, then changes and events, a line each", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const { shown, end } = watch(t, fixture, { json: true });
  await shown.until('"type":"state"');
  fixture.journal.add({ type: "reload", cause: "done", durationMs: 5 });
  await shown.until('"event":"reload"');
  const [first, ...others] = shown.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual((first?.["readiness"] as { ready: boolean } | undefined)?.ready, true);
  assert.ok(others.some((line) => line["type"] === "event" && line["text"] === "Reload: done, 5 ms"));
  assert.equal(await end(), ExitCode.ok);
});

test("details that are not for us end the watch", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1), { allowDetails: [] });
  const { errors, ended } = watch(t, fixture, {});
  assert.equal(await ended, ExitCode.failed);
  assert.match(errors[0] ?? "", /allow_details/);
});

test("bars, and texts that a terminal would obey", () => {
  assert.equal(sparkText([]), " ".repeat(20));
  assert.equal(sparkText([0, 50, 100]), `${" ".repeat(17)}▁▅█`);
  assert.equal(printable("a\u001b]0;x\u0007\nb\u009b"), "a\ufffd]0;x\ufffd\ufffdb\ufffd");
});

import assert from "node:assert/strict";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import type { KeyedSnapshot, KeyedStep, SourceSink } from "../source.ts";
import type { Access } from "./database.ts";
import { createEmbeddedStore, type EmbeddedStore } from "./embedded-store.ts";

/** A sink that remembers, and wakes whoever waits. */
class Recorder implements SourceSink {
  readonly snapshots: KeyedSnapshot[] = [];
  readonly steps: KeyedStep[] = [];
  readonly failures: string[] = [];
  recoveries = 0;
  #wake: () => void = () => undefined;

  document(): void {
    assert.fail("a keyed source has no documents");
  }

  snapshot(snapshot: KeyedSnapshot): void {
    this.snapshots.push(snapshot);
    this.#wake();
  }

  step(step: KeyedStep): void {
    this.steps.push(step);
    this.#wake();
  }

  failed(error: string): void {
    this.failures.push(error);
    this.#wake();
  }

  recovered(): void {
    this.recoveries++;
    this.#wake();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function fileFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-store-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "data", "turnpike.db");
}

function open(t: TestContext, file: string, access?: Access): EmbeddedStore {
  const store = createEmbeddedStore(file, access);
  t.after(() => store.close());
  store.open();
  return store;
}

function start(t: TestContext, file: string): { store: EmbeddedStore; sink: Recorder } {
  const store = createEmbeddedStore(file);
  t.after(() => store.close());
  const sink = new Recorder();
  store.start(sink);
  return { store, sink };
}

/** A store with one value, closed. */
async function makeStore(t: TestContext): Promise<string> {
  const file = fileFor(t);
  const store = open(t, file);
  await store.put("routes/1", `{"id":"1"}`);
  store.close();
  return file;
}

test("a new store: private files, an empty snapshot, then a step for every write before it is answered", async (t) => {
  const file = fileFor(t);
  const { store, sink } = start(t, file);
  assert.deepEqual(sink.snapshots, [{ revision: 1, entries: [] }]);
  for (const name of [file, `${file}-wal`, `${file}.lock`]) assert.equal(statSync(name).mode & 0o777, 0o600, name);
  assert.equal(statSync(join(file, "..")).mode & 0o777, 0o700);

  const outcome = await store.put("routes/1", "{}");
  assert.deepEqual(outcome, { written: true, revision: 2, previous: null });
  assert.deepEqual(sink.steps, [{ revision: 2, changes: [{ key: "routes/1", text: "{}" }] }]);
  const gone = await store.delete("routes/1");
  const previous = { key: "routes/1", text: "{}", createRevision: 2, modRevision: 2 };
  assert.deepEqual(gone, { written: true, revision: 3, previous });
  assert.deepEqual(sink.steps[1], { revision: 3, changes: [{ key: "routes/1", text: null }] });
  assert.deepEqual(await store.delete("routes/1"), { written: true, revision: 3, previous: null });
  assert.equal(sink.steps.length, 2, "what is not there cannot be deleted");
});

test("revisions go on after a restart, also where the last change was a deletion", async (t) => {
  const file = await makeStore(t);
  const { store, sink } = start(t, file);
  assert.deepEqual(sink.snapshots[0], { revision: 2, entries: [{ key: "routes/1", text: `{"id":"1"}` }] });
  await store.delete("routes/1");
  store.close();
  const again = start(t, file);
  assert.deepEqual(again.sink.snapshots[0], { revision: 3, entries: [] });
  assert.equal((await again.store.put("routes/1", "{}")).written, true);
  const value = await again.store.get("routes/1");
  assert.deepEqual(value, { key: "routes/1", text: "{}", createRevision: 4, modRevision: 4 });
});

test("a condition on the revision: met, not met, for a key that must not be there", async (t) => {
  const store = open(t, fileFor(t));
  await store.put("routes/1", "1", { ifRevision: 0 });
  const current = { key: "routes/1", text: "1", createRevision: 2, modRevision: 2 };
  assert.deepEqual(await store.put("routes/1", "2", { ifRevision: 0 }), { written: false, current });
  assert.deepEqual(await store.put("routes/1", "2", { ifRevision: 1 }), { written: false, current });
  assert.deepEqual(await store.delete("routes/1", { ifRevision: 3 }), { written: false, current });
  assert.deepEqual(await store.put("routes/2", "2", { ifRevision: 2 }), { written: false, current: null });
  assert.deepEqual(await store.put("routes/1", "2", { ifRevision: 2 }), {
    written: true,
    revision: 3,
    previous: current,
  });
  assert.equal((await store.delete("routes/1", { ifRevision: 3 })).written, true);
});

test("lists by prefix, in the order of the keys, with the store's revision", async (t) => {
  const store = open(t, fileFor(t));
  for (const key of ["routes/b", "routes/a", "routes/é", "router/1", "services/1", "routes"])
    await store.put(key, "{}");
  const { revision, values } = await store.list("routes/");
  assert.equal(revision, 7);
  assert.deepEqual(values.map(({ key }) => key), ["routes/a", "routes/b", "routes/é"]); // prettier-ignore
  assert.equal((await store.list("")).values.length, 6);
});

test("writes of one turn of the loop have revisions of their own, and conditions see the ones before them", async (t) => {
  const { store, sink } = start(t, fileFor(t));
  const writes = Array.from({ length: 50 }, (_, i) => store.put(`routes/${i % 5}`, `${i}`));
  const rivals = [store.put("services/1", "a", { ifRevision: 0 }), store.put("services/1", "b", { ifRevision: 0 })];
  const revisions = (await Promise.all(writes)).map((outcome) => (outcome.written ? outcome.revision : 0));
  assert.deepEqual(
    revisions,
    Array.from({ length: 50 }, (_, i) => i + 2),
  );
  assert.deepEqual((await Promise.all(rivals)).map(({ written }) => written), [true, false]); // prettier-ignore
  assert.deepEqual(sink.steps.map(({ revision }) => revision), Array.from({ length: 51 }, (_, i) => i + 2)); // prettier-ignore
});

test("what has a time to live goes by itself, also while the store was closed, and stays when written again", async (t) => {
  t.mock.timers.enable({ apis: ["Date", "setInterval"], now: 1_000_000 });
  const file = fileFor(t);
  const { store, sink } = start(t, file);
  await store.put("routes/short", "{}", { ttl: 2 });
  await store.put("routes/renewed", "{}", { ttl: 2 });
  await store.put("routes/renewed", "{}");
  await store.put("routes/long", "{}", { ttl: 60 });
  t.mock.timers.tick(1_900);
  assert.notEqual(await store.get("routes/short"), null);
  assert.equal(sink.steps.length, 4);
  t.mock.timers.tick(400);
  assert.equal(await store.get("routes/short"), null);
  assert.deepEqual(sink.steps[4], { revision: 6, changes: [{ key: "routes/short", text: null }] });
  store.close();
  t.mock.timers.tick(60_000);
  const again = start(t, file);
  assert.deepEqual(again.sink.snapshots[0], { revision: 7, entries: [{ key: "routes/renewed", text: "{}" }] });
});

test("all or nothing: many changes as one revision; none where one condition does not hold", async (t) => {
  const { store, sink } = start(t, fileFor(t));
  await store.put("routes/1", "{}");
  const changes = [
    { key: "routes/1", text: null },
    { key: "routes/2", text: "{}" },
  ];
  assert.deepEqual(await store.transact(changes), { written: true, revision: 3 });
  assert.deepEqual(sink.steps.at(-1), { revision: 3, changes });
  const conditional = [
    { key: "routes/2", text: "[]", ifRevision: 3 },
    { key: "routes/3", text: "[]", ifRevision: 0 },
  ];
  const late = [{ key: "routes/4", text: "[]" }, ...conditional];
  assert.deepEqual(await store.transact(conditional), { written: true, revision: 4 });
  assert.deepEqual(await store.transact(late), { written: false, key: "routes/2" });
  assert.equal(await store.get("routes/4"), null);
  assert.deepEqual(await store.transact([]), { written: true, revision: 4 });
  assert.equal(sink.steps.length, 3);
});

test("the history keeps the last thousand changes, and few more", async (t) => {
  const file = fileFor(t);
  const store = open(t, file);
  await Promise.all(Array.from({ length: 1_200 }, (_, i) => store.put(`routes/${i % 7}`, "{}")));
  await store.delete("routes/0");
  store.close();
  const db = new DatabaseSync(file, { readOnly: true });
  t.after(() => db.close());
  const rows = db.prepare("SELECT revision, key, what FROM history ORDER BY change").all();
  assert.ok(rows.length >= 1_000 && rows.length < 1_064, String(rows.length));
  assert.deepEqual({ ...rows.at(-1) }, { revision: 1_202, key: "routes/0", what: "delete" });
});

test("a second owner is refused by name, in this process and from a thread that was killed it is free again", async (t) => {
  const file = fileFor(t);
  const { store } = start(t, file);
  assert.throws(() => open(t, file), /turnpike\.db: in use by another process/);
  const second = start(t, file);
  assert.match(second.sink.failures[0] ?? "", /in use by another process/);
  await assert.rejects(second.store.put("routes/1", "{}"), { code: "SOURCE_UNAVAILABLE", message: /in use/ });
  await assert.rejects(second.store.list(""), { code: "SOURCE_UNAVAILABLE" });
  store.close();
  await second.sink.until(() => second.sink.snapshots.length === 1);
  second.store.close();

  const module = new URL("./embedded-store.ts", import.meta.url).href;
  const script = `import(${JSON.stringify(module)}).then(({ createEmbeddedStore }) => {
    globalThis.store = createEmbeddedStore(${JSON.stringify(file)});
    globalThis.store.open();
    setInterval(() => undefined, 1_000);
    require("node:worker_threads").parentPort.postMessage("open");
  })`;
  const worker = new Worker(script, { eval: true });
  await once(worker, "message");
  assert.throws(() => open(t, file), /in use/);
  await worker.terminate();
  open(t, file).close();
});

test("a shared writer and a reader beside the owner: it learns of their writes as a snapshot", async (t) => {
  const file = fileFor(t);
  const { store, sink } = start(t, file);
  await store.put("routes/1", "{}");
  const guest = open(t, file, "shared");
  await guest.put("routes/2", "{}");
  await sink.until(() => sink.snapshots.length === 2);
  const both = ["routes/1", "routes/2"];
  assert.deepEqual(sink.snapshots[1]?.entries.map(({ key }) => key), both); // prettier-ignore
  // A write of the owner's that comes before it has looked.
  await guest.put("routes/3", "{}");
  assert.deepEqual(await store.put("routes/4", "{}"), { written: true, revision: 5, previous: null });
  assert.equal(sink.snapshots.at(-1)?.revision, 4);
  assert.deepEqual(sink.steps.at(-1), { revision: 5, changes: [{ key: "routes/4", text: "{}" }] });
  const reader = open(t, file, "read");
  assert.equal((await reader.list("routes/")).values.length, 4);
  await assert.rejects(reader.put("routes/5", "{}"), { code: "SOURCE_UNAVAILABLE" });
});

test("damaged, foreign and later files are refused with what to do, and not touched", async (t) => {
  const file = await makeStore(t);
  const whole = readFileSync(file);
  const edit = (sql: string) => (): void => {
    const db = new DatabaseSync(file);
    db.exec(sql);
    db.close();
  };
  const broken = Buffer.from(whole);
  broken.fill(0xff, 4096 * 2, 4096 * 2 + 200);
  const cases: [() => void, RegExp][] = [
    [() => writeFileSync(file, ""), /the file is empty.*put a backup in its place/],
    [() => truncateSync(file, 5_000), /damaged/],
    [() => writeFileSync(file, "no database, but long enough to be one ".repeat(99)), /damaged \(file is not a/],
    [() => writeFileSync(file, broken), /damaged \(.*docs\/embedded-store\.md/],
    [edit("PRAGMA application_id = 7"), /a database of another program/],
    [edit("PRAGMA user_version = 2"), /a later version of Turnpike \(format 2, this one knows 1\)/],
  ];
  for (const [spoil, reason] of cases) {
    writeFileSync(file, whole);
    spoil();
    const before = readFileSync(file);
    for (const access of ["exclusive", "shared", "read"] as const) {
      assert.throws(() => open(t, file, access), { code: "SOURCE_UNREADABLE", message: reason }, String(reason));
    }
    assert.deepEqual(readFileSync(file), before);
  }
  rmSync(file);
  writeFileSync(`${file}-wal`, "what was left");
  assert.throws(() => open(t, file), /the file is gone, but .*turnpike\.db-wal/);
});

test("a damaged file is loaded as soon as a backup lies in its place", async (t) => {
  const file = await makeStore(t);
  copyFileSync(file, `${file}.backup`);
  writeFileSync(file, "x".repeat(9_000));
  const { store, sink } = start(t, file);
  assert.match(sink.failures[0] ?? "", /damaged/);
  await assert.rejects(store.get("routes/1"), /SOURCE_UNAVAILABLE: .*damaged/);
  renameSync(`${file}.backup`, file);
  await sink.until(() => sink.snapshots.length === 1);
  assert.deepEqual([sink.failures.length, sink.snapshots[0]?.revision], [1, 2]);
});

test("a file that is taken away while it is open: writes fail instead of being lost", async (t) => {
  const file = fileFor(t);
  const { store, sink } = start(t, file);
  renameSync(file, `${file}.away`);
  await assert.rejects(
    store.put("routes/1", "{}"),
    /SOURCE_UNAVAILABLE: .*moved, replaced or deleted while it is open/,
  );
  await sink.until(() => sink.failures.length === 1);
  renameSync(`${file}.away`, file);
  await sink.until(() => sink.recoveries === 1);
  assert.equal((await store.put("routes/1", "{}")).written, true);
});

test("a reader of no file says so; permissions that are too wide are narrowed", async (t) => {
  assert.throws(() => open(t, fileFor(t), "read"), { code: "SOURCE_UNAVAILABLE", message: /no such file/ });
  const file = await makeStore(t);
  chmodSync(file, 0o644);
  open(t, file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("closing commits what was asked for", async (t) => {
  const file = fileFor(t);
  const store = open(t, file);
  const put = store.put("routes/1", "{}");
  store.close();
  assert.equal((await put).written, true);
  await assert.rejects(store.put("routes/2", "{}"), { code: "SOURCE_UNAVAILABLE" });
  assert.notEqual(await open(t, file).get("routes/1"), null);
});

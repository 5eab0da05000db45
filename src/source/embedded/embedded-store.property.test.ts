import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { times } from "../../../test/support/extent.ts";
import type { StoredValue } from "../repository.ts";
import type { KeyedSnapshot, KeyedStep, SourceSink } from "../source.ts";
import { createEmbeddedStore, type EmbeddedStore } from "./embedded-store.ts";

// Random histories against a Map; the store is closed and opened again at random moments.

type Command =
  | { readonly do: "put"; readonly key: string; readonly text: string; readonly ttl: number | undefined }
  | { readonly do: "cas"; readonly key: string; readonly text: string; readonly off: number }
  | { readonly do: "delete"; readonly key: string; readonly off: number | null }
  | { readonly do: "replace"; readonly keys: readonly string[]; readonly text: string }
  | { readonly do: "wait"; readonly seconds: number }
  | { readonly do: "reopen" };

const key = fc.constantFrom("routes/1", "routes/10", "routes/2", "consumers/j", "consumers/j/credentials/1", "plugins");
const text = fc.string({ maxLength: 12, unit: "grapheme" });
const off = fc.constantFrom(0, 0, 0, 1, -1);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("put"), key, text, ttl: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }) }) }, // prettier-ignore
  { weight: 4, arbitrary: fc.record({ do: fc.constant("cas"), key, text, off }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delete"), key, off: fc.option(off) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("replace"), keys: fc.uniqueArray(key), text }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait"), seconds: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen") }) },
);

/** What the store should hold. */
class Model {
  revision = 1;
  readonly values = new Map<string, StoredValue & { readonly expiresAt: number }>();

  expire(now: number): void {
    const gone = [...this.values.values()].filter(({ expiresAt }) => expiresAt <= now);
    if (gone.length > 0) this.revision++;
    for (const value of gone) this.values.delete(value.key);
  }

  put(name: string, content: string, expiresAt = Infinity): void {
    const createRevision = this.values.get(name)?.createRevision ?? this.revision;
    this.values.set(name, { key: name, text: content, createRevision, modRevision: this.revision, expiresAt });
  }

  current(name: string): StoredValue | null {
    const value = this.values.get(name);
    if (value === undefined) return null;
    const { expiresAt: _, ...rest } = value;
    return rest;
  }

  list(prefix: string): readonly StoredValue[] {
    const names = [...this.values.keys()].filter((name) => name.startsWith(prefix)).sort();
    return names.flatMap((name) => this.current(name) ?? []);
  }
}

/** A sink that follows, as control does. */
class Follower implements SourceSink {
  revision = 0;
  readonly held = new Map<string, string>();

  document(): void {
    assert.fail();
  }

  failed(error: string): void {
    assert.fail(error);
  }

  recovered(): void {
    assert.fail();
  }

  snapshot({ revision, entries }: KeyedSnapshot): void {
    assert.ok(revision >= this.revision, "revisions never go back");
    this.revision = revision;
    this.held.clear();
    for (const entry of entries) this.held.set(entry.key, entry.text ?? assert.fail());
  }

  step({ revision, changes }: KeyedStep): void {
    assert.ok(revision > this.revision, "each step is a later one");
    this.revision = revision;
    for (const change of changes) {
      if (change.text === null) this.held.delete(change.key);
      else this.held.set(change.key, change.text);
    }
  }
}

/** One command on both; the answers are compared. */
async function run(store: EmbeddedStore, model: Model, step: Command, now: number): Promise<void> {
  if (step.do === "wait" || step.do === "reopen") return;
  model.expire(now);
  if (step.do === "replace") {
    const changes = step.keys.map((name) => ({ key: name, text: step.text }));
    if (changes.length > 0) model.revision++;
    for (const name of step.keys) model.put(name, step.text);
    assert.deepEqual(await store.transact(changes), { written: true, revision: model.revision });
    return;
  }
  const previous = model.current(step.key);
  if (step.do === "put") {
    model.revision++;
    model.put(step.key, step.text, step.ttl === undefined ? Infinity : now + step.ttl * 1_000);
    const outcome = await store.put(step.key, step.text, step.ttl === undefined ? {} : { ttl: step.ttl });
    assert.deepEqual(outcome, { written: true, revision: model.revision, previous });
    return;
  }
  const seen = previous?.modRevision ?? 0;
  const ifRevision = step.off === null ? {} : { ifRevision: seen + step.off };
  const holds = step.off === null || step.off === 0;
  if (holds && (step.do === "cas" || previous !== null)) model.revision++;
  if (holds && step.do === "cas") model.put(step.key, step.text);
  if (holds && step.do === "delete") model.values.delete(step.key);
  const outcome =
    step.do === "cas" ? await store.put(step.key, step.text, ifRevision) : await store.delete(step.key, ifRevision);
  const expected = holds
    ? { written: true, revision: model.revision, previous }
    : { written: false, current: previous };
  assert.deepEqual(outcome, expected);
}

async function compare(store: EmbeddedStore, model: Model, follower: Follower, now: number): Promise<void> {
  model.expire(now);
  for (const prefix of ["", "routes/", "routes/1", "consumers/"]) {
    const { revision, values } = await store.list(prefix);
    assert.deepEqual([revision, values], [model.revision, model.list(prefix)]);
  }
  assert.deepEqual(await store.get("routes/1"), model.current("routes/1"));
  assert.equal(follower.revision, model.revision);
  const held = [...follower.held].sort(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual(held, model.list("").map((value) => [value.key, value.text])); // prettier-ignore
}

test("the store behaves like a map with revisions, whenever it is closed and opened again", async (t) => {
  t.mock.timers.enable({ apis: ["Date", "setInterval"], now: 1_000 });
  const root = mkdtempSync(join(tmpdir(), "turnpike-store-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  let files = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
      const file = join(root, `${files++}.db`);
      const model = new Model();
      const follower = new Follower();
      let store = createEmbeddedStore(file);
      try {
        store.start(follower);
        for (const step of commands) {
          await run(store, model, step, Date.now());
          if (step.do === "wait") t.mock.timers.tick(step.seconds * 1_000);
          if (step.do === "reopen") {
            store.close();
            store = createEmbeddedStore(file);
            store.start(follower);
          }
          await compare(store, model, follower, Date.now());
        }
      } finally {
        store.close();
      }
    }),
    { numRuns: times(40, 15) },
  );
});

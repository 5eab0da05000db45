import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import { createEngine, type WorkerEngine } from "../compile/engine.ts";
import { routerSettings } from "../compile/testing.ts";
import type { KeyedEntry } from "../source/source.ts";
import { createStore, plugins, type Lists } from "../store/testing.ts";
import { entries } from "../store/testing-entries.ts";
import type { Store } from "../store/store.ts";
import { Delivery, type Parcel } from "./delivery.ts";

/**
 * The way from a keyed source to a worker: steps and snapshots through the store, what was
 * accepted through the delivery, control threads that die and inherit what the worker holds.
 */

const events = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ type: fc.constant("step" as const), changes: fc.array(entries, { maxLength: 4 }) }),
    },
    { weight: 2, arbitrary: fc.constant({ type: "snapshot" as const }) },
    { weight: 3, arbitrary: fc.constant({ type: "deliver" as const }) },
    { weight: 1, arbitrary: fc.constant({ type: "death" as const }) },
    { weight: 1, arbitrary: fc.constant({ type: "miss" as const }) },
  ),
  { minLength: 5, maxLength: 25, size: "max" },
);

/** A worker by the rules of `DataPlane`. */
class Worker {
  readonly engine: WorkerEngine;
  revision = 0;

  constructor() {
    const log = { warn: () => undefined, error: () => undefined };
    const built = new Map([...plugins].flatMap(([name, plugin]) => (plugin.compile ? [[name, plugin as never]] : [])));
    this.engine = createEngine({ settings: routerSettings, plugins: built, log });
  }
}

/** A control thread with its source and its one worker. */
class Control {
  readonly source: ReadonlyMap<string, string>;
  readonly worker: Worker;
  readonly store: Store;
  readonly delivery: Delivery;
  /** The next parcel does not reach the worker. */
  missing = false;
  dead = false;

  constructor(source: ReadonlyMap<string, string>, worker: Worker) {
    this.source = source;
    this.worker = worker;
    const inherited = { revision: worker.revision, inherited: worker.engine.resources() };
    this.store = createStore(inherited).store;
    const deliver = ({ fromRevision, revision, hash, changes }: Parcel): void => {
      const missed = this.missing;
      this.missing = false;
      if (missed || this.dead) return;
      if (fromRevision !== worker.revision) return this.introduce();
      assert.deepEqual(worker.engine.apply(changes), []);
      worker.revision = revision;
      assert.equal(worker.engine.hash, hash);
    };
    this.delivery = new Delivery(deliver, () => true);
  }

  /** The worker says what it holds and is given everything. */
  introduce(): void {
    const { worker, store } = this;
    assert.deepEqual(worker.engine.replace(store.snapshot()), []);
    worker.revision = store.revision;
    assert.equal(worker.engine.hash, store.hash);
  }

  entries(): readonly KeyedEntry[] {
    return Array.from(this.source, ([key, text]) => ({ key, text }));
  }
}

const heldBy = (store: Store): readonly string[] =>
  store
    .snapshot()
    .map(({ kind, id, text }) => `${kind}/${id} ${text}`)
    .sort();
const rejectedBy = (store: Store): readonly string[] =>
  store.rejected.map(({ kind, id, serving }) => `${kind}/${id} ${serving}`).sort();

test("a worker ends with what the source holds, whatever came between and whoever died", () => {
  let deaths = 0;
  let kept = 0;
  fc.assert(
    fc.property(events, (sequence) => {
      const source = new Map<string, string>();
      const worker = new Worker();
      let control = new Control(source, worker);
      let revision = 1;
      const load = (to: Control): void => {
        to.delivery.add(to.store.applySnapshot({ revision, entries: to.entries() }, revision), true, revision);
      };
      load(control);
      for (const event of sequence) {
        if (event.type === "step") {
          revision++;
          for (const { key, text } of event.changes) {
            if (text === null) source.delete(key);
            else source.set(key, text);
          }
          control.delivery.add(control.store.applyStep({ revision, changes: event.changes }, revision), true, revision);
        } else if (event.type === "snapshot") load(control);
        else if (event.type === "deliver") control.delivery.flush();
        else if (event.type === "miss") control.missing = true;
        else {
          const { store } = control;
          control.dead = true;
          // What was not delivered is lost with the thread; the source has it.
          const behind = worker.revision !== store.revision;
          control = new Control(source, worker);
          load(control);
          if (!behind) {
            assert.deepEqual(heldBy(control.store), heldBy(store));
            assert.deepEqual(rejectedBy(control.store), rejectedBy(store));
          }
          deaths++;
        }
      }
      // The pause after which everything is there; a worker that missed something introduces itself again.
      control.delivery.flush();
      if (worker.revision !== control.store.revision) control.introduce();
      assert.deepEqual([worker.revision, worker.engine.hash], [control.store.revision, control.store.hash]);
      const held = heldBy(control.store);
      assert.deepEqual(
        worker.engine
          .resources()
          .map(({ kind, id, text }) => `${kind}/${id} ${text}`)
          .sort(),
        held,
      );
      const fresh = createStore().store;
      fresh.applySnapshot({ revision, entries: control.entries() }, revision);
      if (fresh.rejected.length === 0) assert.deepEqual(held, heldBy(fresh));
      else kept++;
      // Whatever is left of broken ones goes with them.
      source.clear();
      revision++;
      load(control);
      control.delivery.flush();
      if (worker.revision !== control.store.revision) control.introduce();
      assert.deepEqual([worker.engine.resources(), worker.engine.hash], [[], 0n]);
    }),
    { numRuns: times(5_000, 300) },
  );
  assert.ok(deaths > times(3_000, 150) && kept > times(1_000, 60), `${deaths} deaths, ${kept} with something broken`);
});

/** The entries as a standalone file has them; what is no object stands there as it is. */
function documentOf(source: ReadonlyMap<string, string>): Lists {
  const lists = Object.groupBy(source, ([key]) => key.slice(0, key.indexOf("/")));
  return Object.fromEntries(
    Object.entries(lists).map(([kind, items = []]) => [kind, items.flatMap(([key, text]) => valueOf(key, text))]),
  );
}

function valueOf(key: string, text: string): readonly unknown[] {
  if (text === "" || text === "{") return [];
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [value];
  return [{ ...value, id: key.slice(key.indexOf("/") + 1) }];
}

test("a successor makes of the next file what the thread before would have made of it", () => {
  let rejected = 0;
  fc.assert(
    fc.property(fc.array(fc.array(entries, { maxLength: 6 }), { minLength: 2, maxLength: 8 }), (sequence) => {
      const source = new Map<string, string>();
      const lasting = createStore();
      lasting.apply({});
      for (const changes of sequence) {
        for (const { key, text } of changes) {
          if (text === null) source.delete(key);
          else source.set(key, text);
        }
        const { revision } = lasting.store;
        const successor = createStore({ revision, inherited: lasting.store.snapshot() });
        for (const { apply } of [lasting, successor]) apply(documentOf(source));
        assert.deepEqual(heldBy(successor.store), heldBy(lasting.store));
        assert.deepEqual(rejectedBy(successor.store), rejectedBy(lasting.store));
        assert.equal(successor.store.hash, lasting.store.hash);
        rejected += lasting.store.rejected.length;
      }
    }),
    { numRuns: times(5_000, 300) },
  );
  assert.ok(rejected > times(5_000, 300), `${rejected} rejections`);
});

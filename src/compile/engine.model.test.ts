import assert from "node:assert/strict";
import { test } from "node:test";
import { queryObjects } from "node:v8";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import type { PluginDefinition, PluginEnv, PluginHandlers } from "../plugin/plugin.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { createEngine, type WorkerEngine } from "./engine.ts";
import { Certificate } from "../tls/certificate-index.ts";
import { CompiledPlan } from "./compiled-plan.ts";
import { RouteEntry } from "./route-entry.ts";
import { StreamEntry } from "./stream/stream-table.ts";
import { changes, targets } from "./model-resources.ts";
import { describeUpstream, observe } from "./model-observation.ts";
import { routerSettings, type Trace } from "./testing.ts";

/**
 * An engine that has lived through any sequence of changes against one that is given what
 * there is at the end, in another order: nobody could tell which of them answers.
 */

/** Handlers that say what they were compiled with. A class, so that those in memory can be counted. */
class TellingHandlers implements PluginHandlers {
  readonly #say: (phase: string) => void;
  readonly encodesBody: boolean;

  constructor(name: string, encodesBody: boolean, say: (phase: string) => void) {
    this.#say = (phase) => say(`${phase} ${name}`);
    this.encodesBody = encodesBody;
  }

  rewrite(): void {
    this.#say("rewrite");
  }

  access(): ReturnType<NonNullable<PluginHandlers["access"]>> {
    this.#say("access");
    return { status: 400, headers: [], body: "told" };
  }

  before_proxy(): void {
    this.#say("before_proxy");
  }

  header_filter(): void {
    this.#say("header_filter");
  }

  body_filter(_: unknown, chunk: Buffer): Buffer {
    this.#say("body_filter");
    return chunk;
  }

  log(): void {
    this.#say("log");
  }
}

interface Conf {
  readonly tag?: string;
  readonly inner?: object;
  readonly upstream_id?: string;
  readonly upstream?: object;
}

function telling(trace: Trace, name: string, priority: number, more: Partial<PluginDefinition> = {}): PluginDefinition {
  return {
    name,
    priority,
    version: "1.0",
    schema: { type: "object" },
    compile(given, env: PluginEnv) {
      const { _meta: _, ...conf } = given as Conf & { readonly _meta?: unknown };
      if (conf.tag === "fails") throw new Error("cannot work");
      const { metadata = null, owner } = env;
      const others = Object.entries(conf.inner ?? {}).map(([other, inner]) => env.compileOther(other, inner));
      const { upstream, upstream_id: id } = conf;
      const choose = upstream === undefined ? null : env.compileUpstream("u", upstream);
      return new TellingHandlers(name, name === "encoder", (phase) => {
        const chosen = choose === null ? (id === undefined ? null : env.upstreamById(id)) : choose();
        const described = chosen === null ? null : describeUpstream(chosen as Upstream);
        trace.push(JSON.stringify([phase, owner, conf, metadata, env.metadata ?? null, described]));
        for (const other of others) void (other as TellingHandlers)[phase.split(" ")[0] as "log"]();
      });
    },
    ...more,
  };
}

function engineOf(): { readonly engine: WorkerEngine; readonly trace: Trace } {
  const trace: Trace = [];
  const definitions = [
    telling(trace, "first", 30, { subsystems: ["http", "stream"], servesStreams: true }),
    telling(trace, "second", 20),
    telling(trace, "third", 20),
    telling(trace, "outer", 10),
    telling(trace, "inner", 5),
    telling(trace, "split", 4),
    telling(trace, "encoder", 3),
    telling(trace, "key-auth", 2500, { type: "auth", consumerKey: "key" }),
  ];
  const engine = createEngine({
    settings: routerSettings,
    plugins: new Map(definitions.map((definition) => [definition.name, definition])),
    health: ({ checks }) => {
      if (checks === undefined) return null;
      const known = { usable: true, answered: () => undefined, connected: () => undefined, failed: () => undefined };
      return (key, address) => ({ ...known, key, address, checks }) as never;
    },
    log: { warn: () => undefined, error: () => undefined },
  });
  return { engine, trace };
}

/** Whatever an engine holds much of. Sets and maps: who depends on whom, and what is found by what. */
const counted = [TellingHandlers, RouteEntry, StreamEntry, CompiledPlan, Certificate, Set];

/** All of it or a part of it is looked at between two batches, so that some plans are compiled and some are not. */
const batches = fc.array(
  fc.record({
    changes: fc.array(changes, { minLength: 1, maxLength: 6 }),
    targets: fc.array(targets, { maxLength: 2 }),
    targetsFirst: fc.boolean(),
    whole: fc.nat(9).map((chance) => chance === 9),
    seed: fc.nat(),
  }),
  { minLength: 1, maxLength: 8, size: "max" },
);
/** What there is before the first of them, so that references find something. */
const population = fc.array(changes, { minLength: 60, maxLength: 60 });

test("after every sequence of changes an engine is what a new one would be", () => {
  let plans = 0;
  fc.assert(
    fc.property(population, batches, (first, sequence) => {
      const { engine, trace } = engineOf();
      engine.apply(first);
      observe(engine, trace);
      for (const batch of sequence) {
        if (batch.targetsFirst) engine.setTargets(batch.targets);
        // What cannot be compiled is not there, or as it was before.
        if (batch.whole) engine.replace(batch.changes);
        else engine.apply(batch.changes);
        if (!batch.targetsFirst) engine.setTargets(batch.targets);
        const seen = observe(engine, trace);
        const other = engineOf();
        other.engine.setTargets(shuffled(engine.targets(), batch.seed));
        assert.deepEqual(other.engine.apply(shuffled(engine.resources(), batch.seed)), []);
        assert.deepEqual(seen, observe(other.engine, other.trace));
        plans += (seen["plans"] as readonly object[]).length;
      }
    }),
    { numRuns: times(1_000, 25) },
  );
  assert.ok(plans >= times(50_000, 1_200), `${plans} plans`);
});

test("nothing stays in memory of what is gone", () => {
  const { engine, trace } = engineOf();
  const live = (what: (typeof counted)[number]): number => queryObjects(what, { format: "count" });
  const sets = live(Set);
  const sampled = fc.sample(changes, { numRuns: 300, seed: 1 });
  const told = fc.sample(targets, { numRuns: 30, seed: 1 });
  for (let from = 0; from < sampled.length; from += 10) {
    engine.setTargets(told.slice(from / 10, from / 10 + 1));
    engine.apply(sampled.slice(from, from + 10));
    observe(engine, trace);
  }
  assert.ok(live(TellingHandlers) > 0 && live(Set) > sets);
  engine.replace([]);
  engine.setTargets(engine.targets().map(([key]) => [key, null]));
  observe(engine, trace);
  assert.deepEqual([engine.resources(), engine.targets(), engine.hash], [[], [], 0n]);
  // What is left is the plan for what is not found.
  const left = counted.map((what) => live(what));
  assert.deepEqual(
    left,
    counted.map((what) => (what === Set ? sets : what === CompiledPlan ? 1 : 0)),
  );
});

function shuffled<T>(list: readonly T[], seed: number): readonly T[] {
  const rest = [...list];
  let state = seed;
  return list.map(() => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 1;
    return rest.splice(state % rest.length, 1)[0]!;
  });
}

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Target } from "../../upstream/targets.ts";
import { TargetWatch, type Lookup } from "./target-watch.ts";

const at = (host: string): Target => ({ host, port: null, weight: 1, priority: 0 });

function watching(t: TestContext): {
  watch: TargetWatch;
  say: (lookup: Lookup) => void;
  lookups: string[];
  changes: string[];
  logged: string[];
} {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let answer: Lookup = { failure: "nothing yet" };
  const [lookups, changes, logged]: string[][] = [[], [], []];
  const watch = new TargetWatch({
    look: (key) => {
      lookups!.push(key);
      return Promise.resolve(answer);
    },
    changed: (key, targets) => changes!.push(`${key} ${targets.map(({ host }) => host).join(" ")}`),
    log: { warn: (message) => logged!.push(message), notice: (message) => logged!.push(message) },
  });
  t.after(() => watch.close());
  return { watch, say: (lookup) => void (answer = lookup), lookups: lookups!, changes: changes!, logged: logged! };
}

test("an answer counts for its time; only a change is told", async (t) => {
  const { watch, say, lookups, changes } = watching(t);
  say({ targets: [at("10.0.0.1")], ttlMs: 5_000 });
  watch.add("name/a");
  watch.add("name/a");
  await setImmediate();
  assert.deepEqual(changes, ["name/a 10.0.0.1"]);
  t.mock.timers.tick(4_999);
  await setImmediate();
  assert.equal(lookups.length, 1);
  t.mock.timers.tick(1);
  await setImmediate();
  assert.deepEqual([lookups.length, changes.length], [2, 1]);
  say({ targets: [at("10.0.0.2")], ttlMs: 1_000 });
  t.mock.timers.tick(5_000);
  await setImmediate();
  assert.deepEqual(changes, ["name/a 10.0.0.1", "name/a 10.0.0.2"]);
  assert.deepEqual([...watch.known()], [["name/a", [at("10.0.0.2")]]]);
});

test("a failure keeps the last answer, is told once, and is tried again soon", async (t) => {
  const { watch, say, lookups, changes, logged } = watching(t);
  say({ targets: [at("10.0.0.1")], ttlMs: 1_000 });
  watch.add("name/a");
  await setImmediate();
  say({ failure: "SERVFAIL from 10.0.0.53:53" });
  for (const pause of [1_000, 1_000, 1_000, 2_000, 5_000, 5_000]) {
    t.mock.timers.tick(pause);
    await setImmediate();
  }
  assert.equal(lookups.length, 7);
  assert.deepEqual(watch.get("name/a"), [at("10.0.0.1")]);
  assert.deepEqual(logged, ["name/a cannot be resolved: SERVFAIL from 10.0.0.53:53; what it stood for last stays"]);
  say({ targets: [at("10.0.0.9")], ttlMs: 1_000 });
  t.mock.timers.tick(5_000);
  await setImmediate();
  assert.deepEqual(changes.at(-1), "name/a 10.0.0.9");
  assert.match(logged.at(-1) ?? "", /can be resolved again/);
});

test("what is certain to be gone is used no more, until it is back", async (t) => {
  const { watch, say, changes, logged } = watching(t);
  const gone: Lookup = { failure: "no ready endpoint", gone: true };
  say(gone);
  watch.add("kubernetes/a");
  await setImmediate();
  assert.equal(watch.get("kubernetes/a"), undefined);
  assert.equal(watch.isReady("kubernetes"), true, "that there is nobody is an answer");
  say({ targets: [at("10.0.0.1")], ttlMs: 1_000 });
  for (const lookup of [gone, gone, { targets: [at("10.0.0.1")], ttlMs: 1_000 }]) {
    t.mock.timers.tick(1_000);
    await setImmediate();
    say(lookup);
  }
  assert.deepEqual(watch.get("kubernetes/a"), []);
  t.mock.timers.tick(1_000);
  await setImmediate();
  assert.deepEqual(changes.slice(1), ["kubernetes/a 10.0.0.1", "kubernetes/a ", "kubernetes/a 10.0.0.1"]);
  assert.equal(logged.filter((line) => /cannot be resolved/.test(line)).length, 2, "once each time");
});

test("what was known before counts until it has been looked up; a failure has something else where nothing was", async (t) => {
  const { watch, say, changes } = watching(t);
  say({ failure: "away", otherwise: [at("10.9.9.9")] });
  watch.expect([
    ["consul/a", [at("10.0.0.1")]],
    ["consul/b", null],
  ]);
  watch.add("consul/a");
  assert.equal(watch.isComplete, true);
  watch.add("consul/b");
  watch.expect([]);
  assert.equal(watch.isComplete, false);
  await setImmediate();
  assert.deepEqual(changes, ["consul/b 10.9.9.9"]);
  assert.deepEqual([watch.isComplete, watch.isReady("consul")], [true, true]);
  assert.deepEqual(watch.get("consul/a"), [at("10.0.0.1")]);
  say({ targets: [at("10.0.0.2")], ttlMs: 1_000 });
  t.mock.timers.tick(1_000);
  await setImmediate();
  assert.deepEqual(changes.slice(1).sort(), ["consul/a 10.0.0.2", "consul/b 10.0.0.2"]);
});

test("that nothing has come of the first lookup is told, also to who asks later", async (t) => {
  const { watch, say, changes } = watching(t);
  say({ failure: "SERVFAIL" });
  watch.add("name/a");
  assert.deepEqual([...watch.told()], []);
  await setImmediate();
  assert.deepEqual(changes, ["name/a "]);
  t.mock.timers.tick(1_000);
  await setImmediate();
  assert.deepEqual(changes, ["name/a "], "once");
  assert.deepEqual([...watch.told()], [["name/a", []]]);
  assert.deepEqual([...watch.known()], []);
});

test("what is removed is not looked up again, not even by a lookup under way", async (t) => {
  const { watch, say, lookups, changes } = watching(t);
  say({ targets: [at("10.0.0.1")], ttlMs: 1_000 });
  watch.add("name/a");
  watch.remove("name/a");
  await setImmediate();
  t.mock.timers.tick(10_000);
  await setImmediate();
  assert.deepEqual([lookups.length, changes.length, watch.get("name/a")], [1, 0, undefined]);
});

test("a source is ready once all of its keys were looked up and one of them was found", async (t) => {
  const { watch, say } = watching(t);
  assert.equal(watch.isReady("dns"), true, "nothing is asked of it");
  watch.add("dns/a");
  watch.add("name/b");
  assert.equal(watch.isReady("dns"), false);
  await setImmediate();
  assert.equal(watch.isReady("dns"), false, "a failure is no list");
  assert.deepEqual([watch.isAsked("dns"), watch.isAsked("consul")], [true, false]);
  say({ targets: [at("10.0.0.1")], ttlMs: 1_000 });
  t.mock.timers.tick(1_000);
  await setImmediate();
  assert.equal(watch.isReady("dns"), true);
});

test("many keys are looked up a few at a time", async (t) => {
  const { watch, say, lookups } = watching(t);
  say({ targets: [at("10.0.0.1")], ttlMs: 60_000 });
  for (let i = 0; i < 500; i++) watch.add(`name/${i}`);
  assert.equal(lookups.length, 64);
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  assert.equal(lookups.length, 500);
});

test("neither a source that hangs nor what is removed keeps others from being looked up", async (t) => {
  const { watch, say, lookups } = watching(t);
  say({ targets: [at("10.0.0.1")], ttlMs: 60_000 });
  for (let i = 0; i < 200; i++) watch.add(`kubernetes/default/${i}:http`);
  watch.add("name/a");
  assert.equal(lookups.filter((key) => key === "name/a").length, 1, "at once");
  for (let i = 64; i < 199; i++) watch.remove(`kubernetes/default/${i}:http`);
  await setImmediate();
  assert.deepEqual(lookups.slice(65), ["kubernetes/default/199:http"]);
  assert.equal(watch.isReady("kubernetes"), true);
  watch.again("kubernetes/default/7");
  watch.again("name/a");
  assert.deepEqual(lookups.slice(66), ["kubernetes/default/7:http", "name/a"]);
  for (let i = 0; i < 64; i++) watch.remove(`kubernetes/default/${i}:http`);
  watch.remove("kubernetes/default/199:http");
  assert.deepEqual([watch.isAsked("kubernetes"), watch.isAsked("name")], [false, true]);
});

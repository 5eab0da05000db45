import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { EtcdSettings } from "../src/settings/settings.ts";
import { createEtcdStore, type EtcdStore } from "../src/source/etcd/etcd-store.ts";
import type { KeyedSnapshot, KeyedStep } from "../src/source/source.ts";
import { type Etcd, startEtcd } from "./support/etcd.ts";
import { contentOf } from "./support/etcd-content.ts";
import { etcdSettings, retried } from "./support/etcd-settings.ts";
import { forward } from "./support/forward.ts";
import { freePort } from "./support/ports.ts";

/** Follows the source as control would, and keeps everything that it says. */
interface Follower {
  readonly store: EtcdStore;
  /** What is there now, by key. */
  readonly held: ReadonlyMap<string, string>;
  readonly revision: number;
  readonly snapshots: readonly KeyedSnapshot[];
  readonly steps: readonly KeyedStep[];
  readonly failures: readonly string[];
  readonly recoveries: number;
  readonly log: readonly string[];
  /** Resolves once this is so; it is looked at after everything that the source says. */
  until(holds: () => boolean): Promise<void>;
  reaches(revision: number): Promise<void>;
}

function follow(t: TestContext, hosts: readonly string[], more: Partial<EtcdSettings> = {}): Follower {
  const held = new Map<string, string>();
  const waiting = new Set<() => void>();
  const log: string[] = [];
  const say = (line: string): void => void log.push(line);
  const store = createEtcdStore(etcdSettings(hosts, more), { info: say, warn: say, error: say });
  const state = {
    store,
    held,
    revision: 0,
    snapshots: [] as KeyedSnapshot[],
    steps: [] as KeyedStep[],
    failures: [] as string[],
    recoveries: 0,
    log,
    async until(holds: () => boolean): Promise<void> {
      while (!holds()) await new Promise<void>((resolve) => waiting.add(resolve));
    },
    reaches: async (revision: number): Promise<void> => await state.until(() => state.revision >= revision),
  };
  const wake = (): void => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  store.start({
    document: () => assert.fail("a keyed source has no document"),
    snapshot(snapshot) {
      state.snapshots.push(snapshot);
      state.revision = snapshot.revision;
      held.clear();
      for (const { key, text } of snapshot.entries) held.set(key, text ?? assert.fail("a snapshot deletes nothing"));
      wake();
    },
    step(step) {
      assert.ok(step.revision > state.revision, `${step.revision} after ${state.revision}`);
      state.steps.push(step);
      state.revision = step.revision;
      for (const { key, text } of step.changes) {
        if (text === null) assert.ok(held.delete(key), `${key} was not there`);
        else held.set(key, text);
      }
      wake();
    },
    failed(error) {
      state.failures.push(error);
      wake();
    },
    recovered() {
      state.recoveries++;
      wake();
    },
  });
  t.after(() => store.close());
  return state;
}

async function assertSame(follower: Follower, etcd: Etcd): Promise<void> {
  assert.deepEqual(new Map([...follower.held].sort()), (await contentOf(etcd)).texts);
}

test("loads in pages, then follows put, delete and transactions, at etcd's revisions", async (t) => {
  const etcd = await startEtcd(t);
  await etcd.put("/apisix/routes/", "init_dir");
  await etcd.put("/apisix/data_plane/server_info/x", "{}");
  await etcd.put("/apisixx/routes/1", "{}");
  const first = await etcd.put("/apisix/routes/1", { uri: "/1" });
  const one = follow(t, etcd.hosts);
  await one.reaches(first);
  assert.deepEqual(one.snapshots, [{ revision: first, entries: [{ key: "routes/1", text: '{"uri":"/1"}' }] }]);

  const put = await etcd.put("/apisix/routes/2", "no JSON at all");
  const removed = await etcd.remove("/apisix/routes/1");
  await one.reaches(removed);
  assert.deepEqual(one.steps, [
    { revision: put, changes: [{ key: "routes/2", text: "no JSON at all" }] },
    { revision: removed, changes: [{ key: "routes/1", text: null }] },
  ]);

  const elsewhere = await etcd.put("/other", "x");
  await one.reaches(elsewhere);
  assert.deepEqual(one.steps.at(-1), { revision: elsewhere, changes: [] });
  assert.equal(one.snapshots.length, 1);
  assert.deepEqual(one.failures, []);
});

test("several changes of one transaction are one step", async (t) => {
  const etcd = await startEtcd(t);
  const one = follow(t, etcd.hosts);
  await one.until(() => one.snapshots.length === 1);
  await etcd.put("/apisix/routes/1", "{}");
  await one.until(() => one.held.size === 1);
  const all = await etcd.ctl("del", "/apisix/", "--prefix");
  assert.match(all, /1/);
  await Promise.all(["a", "b", "c"].map((id) => etcd.put(`/apisix/routes/${id}`, "{}")));
  await one.until(() => one.held.size === 3);
  const before = one.steps.length;
  await etcd.ctl("del", "/apisix/", "--prefix");
  await one.until(() => one.held.size === 0);
  assert.equal(one.steps.length, before + 1);
  assert.equal(one.steps.at(-1)?.changes.length, 3);
});

test("more keys than a page holds are one snapshot", async (t) => {
  const etcd = await startEtcd(t);
  const repository = follow(t, etcd.hosts).store;
  const ids = Array.from({ length: 2_345 }, (_, index) => `routes/${index}`);
  for (let at = 0; at < ids.length; at += 100) {
    await Promise.all(ids.slice(at, at + 100).map((key) => retried(() => repository.put(key, `{"uri":"/${key}"}`))));
  }
  const { values } = await repository.list("routes/");
  assert.deepEqual(
    values.map(({ key }) => key),
    ids.toSorted(),
  );
  const late = follow(t, etcd.hosts);
  await late.until(() => late.snapshots.length > 0);
  assert.equal(late.held.size, ids.length);
  await assertSame(late, etcd);
});

test("the repository: get, conditions, previous values, ttl", async (t) => {
  const etcd = await startEtcd(t);
  const one = follow(t, etcd.hosts);
  const { store } = one;
  assert.equal(await store.get("routes/1"), null);
  const created = await store.put("routes/1", "a", { ifRevision: 0 });
  assert.ok(created.written && created.previous === null);
  const refused = await store.put("routes/1", "b", { ifRevision: 0 });
  assert.ok(!refused.written);
  assert.deepEqual(refused.current, {
    key: "routes/1",
    text: "a",
    createRevision: created.revision,
    modRevision: created.revision,
  });
  const changed = await store.put("routes/1", "c", { ifRevision: created.revision });
  assert.ok(changed.written);
  assert.equal(changed.previous?.text, "a");
  assert.equal((await store.get("routes/1"))?.text, "c");
  const kept = await store.delete("routes/1", { ifRevision: created.revision });
  assert.ok(!kept.written);
  const gone = await store.delete("routes/1", { ifRevision: changed.revision });
  assert.ok(gone.written);
  assert.equal(gone.previous?.text, "c");
  const nothing = await store.delete("routes/1");
  assert.ok(nothing.written && nothing.previous === null);
  const brief = await store.put("routes/2", "{}", { ttl: 1 });
  assert.ok(brief.written);
  await one.until(() =>
    one.steps.some(({ changes }) => changes.some(({ key, text }) => key === "routes/2" && text === null)),
  );
});

test("an etcd that cannot be reached: one failure, 503 from the repository, then everything comes", async (t) => {
  const etcd = await startEtcd(t);
  const [member] = etcd.members;
  await etcd.put("/apisix/routes/1", "{}");
  await member!.stop();
  const one = follow(t, etcd.hosts);
  await one.until(() => one.failures.length > 0);
  await assert.rejects(one.store.get("routes/1"), { code: "SOURCE_UNAVAILABLE", status: 503 });
  assert.match(one.failures[0]!, /^etcd: http:\/\/127\.0\.0\.1:\d+: connection refused$/);
  await member!.start();
  await one.until(() => one.held.size === 1);
  // It was tried again and again, and told once.
  assert.equal(new Set(one.failures).size, one.failures.length, one.failures.join("\n"));
  assert.deepEqual(one.log, []);
});

test("a dead and a silent member hold nothing up", async (t) => {
  const etcd = await startEtcd(t, { members: 3 });
  const revision = await etcd.put("/apisix/routes/1", "{}");
  const dead = `http://127.0.0.1:${await freePort()}`;
  etcd.members[1]!.pause();
  const followers = [0, 1, 2, 3].map((turn) => {
    const hosts = [dead, ...etcd.hosts];
    return follow(t, [...hosts.slice(turn), ...hosts.slice(0, turn)]);
  });
  for (const one of followers) await one.reaches(revision);
  assert.deepEqual(
    followers.flatMap(({ failures }) => failures),
    [],
  );
  etcd.members[1]!.resume();
});

test("a member that falls silent during the watch is left for another", async (t) => {
  const etcd = await startEtcd(t, { members: 3 });
  const one = follow(t, etcd.hosts);
  await one.until(() => one.snapshots.length > 0);
  const leader = await etcd.leader();
  leader.pause();
  const others = etcd.hosts.filter((host) => host !== leader.url);
  const writer = follow(t, others);
  const outcome = await retried(() => writer.store.put("routes/1", "{}"));
  assert.ok(outcome.written);
  await one.reaches(outcome.revision);
  assert.deepEqual([...one.held], [["routes/1", "{}"]]);
  leader.resume();
});

test("two members stopped, all stopped, compacted meanwhile: nothing is lost, nothing invented", async (t) => {
  const etcd = await startEtcd(t, { members: 3 });
  const one = follow(t, etcd.hosts);
  for (const id of ["1", "2", "3"]) await etcd.put(`/apisix/routes/${id}`, { uri: `/${id}` });
  await one.until(() => one.held.size === 3);

  await etcd.members[0]!.stop();
  await etcd.members[1]!.kill();
  assert.equal(one.held.size, 3);
  await etcd.members[0]!.start();
  const second = await retried(() => etcd.put("/apisix/routes/2", { uri: "/changed" }));
  await one.reaches(second);
  await etcd.members[1]!.start();
  await assertSame(one, etcd);

  await etcd.stopAll();
  await one.until(() => one.failures.length > 0);
  const held = new Map(one.held);
  await etcd.startAll();
  await one.until(() => one.recoveries > 0 || one.snapshots.length > 1);
  assert.deepEqual(new Map(one.held), held);

  // The follower cannot see what happens while its only member is away.
  const blind = follow(t, [etcd.members[2]!.url]);
  await blind.until(() => blind.held.size === 3);
  etcd.members[2]!.pause();
  const others = follow(t, [etcd.members[0]!.url, etcd.members[1]!.url]);
  await retried(() => others.store.delete("routes/1"));
  await retried(() => others.store.put("routes/4", "{}"));
  await retried(() => others.store.delete("routes/4"));
  const last = await retried(() => others.store.put("routes/5", "{}"));
  assert.ok(last.written);
  await retried(() => compactThrough(etcd, last.revision));
  etcd.members[2]!.resume();
  await blind.reaches(last.revision);
  await one.reaches(last.revision);
  assert.deepEqual([...blind.held.keys()].sort(), ["routes/2", "routes/3", "routes/5"]);
  await assertSame(blind, etcd);
  await assertSame(one, etcd);
});

async function compactThrough(etcd: Etcd, revision: number): Promise<void> {
  const endpoints = [etcd.members[0]!.url, etcd.members[1]!.url].join(",");
  await etcd.ctl("compact", String(revision), "--endpoints", endpoints);
}

test("the leader is killed during 1,000 writes: the follower ends with exactly what etcd has", async (t) => {
  const etcd = await startEtcd(t, { members: 3 });
  const one = follow(t, etcd.hosts);
  const { store } = follow(t, etcd.hosts);
  const leader = await etcd.leader();
  let revision = 0;
  let done = 0;
  const write = async (index: number): Promise<void> => {
    const key = `routes/${index % 97}`;
    const outcome = await retried(() => (index % 5 === 4 ? store.delete(key) : store.put(key, `{"n":${index}}`)));
    assert.ok(outcome.written);
    revision = Math.max(revision, outcome.revision);
    done++;
    if (done === 400) await leader.kill();
  };
  for (let at = 0; at < 1_000; at += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, index) => write(at + index)));
  }
  await one.reaches(revision);
  await assertSame(one, etcd);
});

test("an etcd that was replaced by an older one is the truth", async (t) => {
  const etcd = await startEtcd(t);
  const one = follow(t, etcd.hosts);
  for (let turn = 0; turn < 5; turn++) await etcd.put("/apisix/routes/1", `{"n":${turn}}`);
  await one.until(() => one.held.get("routes/1") === '{"n":4}');
  const other = await startEtcd(t);
  await other.put("/apisix/routes/9", "{}");
  const port = etcd.members[0]!.port;
  await etcd.stopAll();
  const proxy = await forward(t, port, other.members[0]!.port);
  await one.until(() => one.held.has("routes/9"));
  assert.deepEqual([...one.held.keys()], ["routes/9"]);
  assert.match(one.log.join("\n"), /another cluster answers; its content at revision 2 is taken/);
  proxy();
});

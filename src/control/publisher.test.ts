import assert from "node:assert/strict";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { Board } from "../board/board.ts";
import { formatHash } from "../lib/content-hash.ts";
import type { ControlToWorker } from "../messages/messages.ts";
import { buildResource, type Resource } from "../store/resource.ts";
import { Publisher, type Snapshot } from "./publisher.ts";

const route = (id: string, text = `{"id":"${id}"}`): Resource => buildResource("routes", id, {}, text, new Map());
const changesOf = (resources: readonly Resource[]) => resources.map(({ kind, id, text }) => ({ kind, id, text }));
const nothing = formatHash(0n);

/** A worker's end of its line to control, and what came through it. */
class Line {
  readonly port: MessagePort;
  readonly #received: ControlToWorker[] = [];

  constructor(t: TestContext, publisher: Publisher, record: number) {
    const { port1, port2 } = new MessageChannel();
    publisher.connect(record, port1);
    this.port = port2;
    port2.on("message", (message: ControlToWorker) => this.#received.push(message));
    t.after(() => port2.close());
  }

  hello(revision: number, hash: string): void {
    this.port.postMessage({ type: "hello", revision, hash });
  }

  /** The next messages. */
  async next(count: number): Promise<readonly ControlToWorker[]> {
    while (this.#received.length < count) await once(this.port, "message");
    return this.#received.splice(0, count);
  }
}

/** A publisher with a worker that has said what it holds. */
function withWorker(t: TestContext, revision: number, hash: string): [Publisher, Line] {
  const publisher = new Publisher(new Board());
  t.after(() => publisher.close());
  const line = new Line(t, publisher, 0);
  line.hello(revision, hash);
  return [publisher, line];
}

const snapshotOf = (resources: readonly Resource[]): Snapshot => ({
  revision: 1,
  hash: 7n,
  resources: changesOf(resources),
});

test("who holds nothing gets the first load while it is checked, then what came out differently", async (t) => {
  const [publisher, line] = withWorker(t, 0, nothing);
  const ahead = publisher.ahead();
  const all = Array.from({ length: 1_500 }, (_, index) => route(String(index)));
  for (const one of all) ahead?.add(one);
  const served = [...all.slice(1, 1_499), route("1499", `{"id":"1499","desc":"of a secret"}`), route("new")];
  publisher.serve(() => snapshotOf(served));
  const [first, second, batch] = await line.next(3);
  assert.deepEqual(first, { type: "ahead", resources: changesOf(all.slice(0, 1_000)) });
  assert.deepEqual(second, { type: "ahead", resources: changesOf(all.slice(1_000)) });
  const changes = [{ kind: "routes", id: "0", text: null }, ...changesOf(served.slice(-2))];
  assert.deepEqual(batch, { type: "batch", fromRevision: 0, revision: 1, hash: formatHash(7n), changes });
});

test("who says only during the check that it holds nothing gets what went ahead of it, too", async (t) => {
  const [publisher, line] = withWorker(t, 0, nothing);
  const late = new Line(t, publisher, 1);
  const ahead = publisher.ahead();
  const all = Array.from({ length: 3_500 }, (_, index) => route(String(index)));
  for (const one of all.slice(0, 2_500)) ahead?.add(one);
  late.hello(0, nothing);
  for (const one of all.slice(2_500)) ahead?.add(one);
  publisher.serve(() => snapshotOf(all));
  for (const one of [line, late]) {
    const messages = await one.next(5);
    const chunks = messages.map((message) => ("resources" in message ? message.resources : []));
    assert.deepEqual(chunks.flat(), changesOf(all));
    assert.deepEqual(messages.at(-1), {
      type: "batch",
      fromRevision: 0,
      revision: 1,
      hash: formatHash(7n),
      changes: [],
    });
  }
});

test("who says it once the first load is there gets all of it, and nothing ahead", async (t) => {
  const [publisher, line] = withWorker(t, 0, nothing);
  const late = new Line(t, publisher, 1);
  publisher.ahead()?.add(route("1"));
  late.hello(0, nothing);
  publisher.serve(() => snapshotOf([route("1")]));
  await line.next(2);
  const resources = changesOf([route("1")]);
  const [message] = await late.next(1);
  assert.deepEqual(message, { type: "snapshot", revision: 1, hash: formatHash(7n), resources });
  publisher.publish({ fromRevision: 1, revision: 2, hash: 8n, changes: [] });
  assert.equal((await late.next(1))[0]?.type, "batch");
});

test("who stumbles over what it got ahead gets everything once it has said so", async (t) => {
  const [publisher, line] = withWorker(t, 0, nothing);
  publisher.ahead()?.add(route("1"));
  publisher.serve(() => snapshotOf([route("1")]));
  await line.next(2);
  line.hello(0, formatHash(3n));
  const [message] = await line.next(1);
  const resources = changesOf([route("1")]);
  assert.deepEqual(message, { type: "snapshot", revision: 1, hash: formatHash(7n), resources });
});

test("nothing goes ahead to workers that hold something, or once everything is there", async (t) => {
  const [publisher, line] = withWorker(t, 4, formatHash(9n));
  assert.equal(publisher.ahead(), null);
  publisher.serve(() => snapshotOf([route("1")]));
  const [message] = await line.next(1);
  assert.equal(message?.type, "snapshot");
  const second = new Line(t, publisher, 1);
  second.hello(0, nothing);
  const [other] = await second.next(1);
  assert.equal(other?.type, "snapshot");
  assert.equal(publisher.ahead(), null);
});

test("a thread that takes over begins where the worker is that has got farthest, whoever answers first", async (t) => {
  const [publisher, behind] = withWorker(t, 4, formatHash(4n));
  const ahead = new Line(t, publisher, 1);
  ahead.hello(5, formatHash(5n));
  const inherited = publisher.inherited(60_000);
  assert.deepEqual([...(await behind.next(1)), ...(await ahead.next(1))], [{ type: "dump" }, { type: "dump" }]);
  const dumpAt = (revision: number): object => ({ type: "dump", revision, resources: [], targets: [] });
  behind.port.postMessage(dumpAt(4));
  behind.port.postMessage({ type: "hello", revision: 4, hash: formatHash(4n) });
  // It is asked again once that was read, so that its first answer was read before the other one is sent.
  await behind.next(1);
  ahead.port.postMessage(dumpAt(5));
  assert.equal((await inherited)?.revision, 5);
});

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { freePort } from "../../test/support/ports.ts";
import { TimerWheel } from "../lib/timer-wheel.ts";
import type { UpstreamConnection } from "./connection.ts";
import { type ConnectionWaiter, FIRST_CONNECTS, type Pool } from "./pool.ts";
import { NodeTlsSource, TrustedAuthorities } from "./node-tls.ts";
import { UpstreamPools } from "./pools.ts";
import { createRoundRobin } from "./picker.ts";
import { nodeAt } from "./testing.ts";
import type { Upstream } from "./upstream.ts";

/** A listening node, its pool, and an upstream to take connections for. */
async function setUp(t: TestContext) {
  const accepted: Socket[] = [];
  const server = createServer((socket) => {
    accepted.push(socket.on("error", () => {}));
  });
  // None from which the kernel connects: once it is closed, a connection would now and then be one to itself.
  const port = await freePort();
  server.listen(port, "127.0.0.1", 511);
  await once(server, "listening");
  const node = nodeAt(port);
  const upstream: Upstream = {
    key: "upstreams/1",
    scheme: "http",
    grpc: false,
    tls: null,
    passHost: "pass",
    upstreamHost: "",
    retries: 0,
    retryTimeoutMs: 0,
    connectTimeoutMs: 60_000,
    sendTimeoutMs: 5_000,
    readTimeoutMs: 5_000,
    keepalive: 320,
    keepaliveTimeoutMs: 60_000,
    keepaliveRequests: 1_000,
    nodes: [node],
    picker: createRoundRobin("upstreams/1", [node]),
    bodyUses: [],
  };
  const wheel = new TimerWheel();
  const pools = new UpstreamPools(wheel, 4_096);
  const taken: UpstreamConnection[] = [];
  t.after(() => {
    for (const connection of taken) connection.destroy();
    pools.close();
    wheel.close();
    server.close();
  });
  return { server, upstream, pools, pool: pools.get(upstream, node), taken };
}

/** Waits in the queue of a pool and remembers its connection. */
class Waiter implements ConnectionWaiter {
  readonly name: number;
  readonly order: number[];
  readonly connection: Promise<UpstreamConnection>;
  late = false;
  #granted!: (connection: UpstreamConnection) => void;

  constructor(name: number, order: number[]) {
    this.name = name;
    this.order = order;
    this.connection = new Promise((resolve) => {
      this.#granted = resolve;
    });
  }

  granted(connection: UpstreamConnection): void {
    this.order.push(this.name);
    this.#granted(connection);
  }

  waitedTooLong(): void {
    this.late = true;
  }
}

function takeAll(pool: Pool): UpstreamConnection[] {
  const connections: UpstreamConnection[] = [];
  for (let next = pool.take(false); next !== null; next = pool.take(false)) connections.push(next);
  return connections;
}

test("so many connections are opened at once, the rest follow in order, all get one", async (t) => {
  const { pools, pool, taken } = await setUp(t);
  taken.push(...takeAll(pool));
  assert.equal(taken.length, FIRST_CONNECTS);
  const order: number[] = [];
  const waiters = Array.from({ length: 400 }, (_, i) => new Waiter(i, order));
  for (const waiter of waiters) pool.wait(waiter, 0);
  assert.equal(pools.counters.queued, 400);
  // No connection is given back: only opening more serves everybody.
  taken.push(...(await Promise.all(waiters.map((waiter) => waiter.connection))));
  assert.deepEqual(
    order,
    waiters.map(({ name }) => name),
  );
  assert.equal(new Set(taken).size, 400 + FIRST_CONNECTS);
  assert.equal(pools.counters.queued, 0);
});

test("a connection that becomes free goes to the first who waits", async (t) => {
  const { pools, pool, taken } = await setUp(t);
  const one = pool.take(false)!;
  taken.push(one);
  await once(one.socket, "connect");
  taken.push(...takeAll(pool));
  const order: number[] = [];
  const waiters = [new Waiter(0, order), new Waiter(1, order)];
  const tickets = waiters.map((waiter) => pool.wait(waiter, 0));
  tickets[0]!.cancel();
  assert.equal(pools.counters.queued, 1);
  pool.release(one);
  assert.deepEqual(order, [1]);
  assert.equal(await waiters[1]!.connection, one);
});

test("a keepalive_pool of its own: its connections, its size", async (t) => {
  const { upstream, pools, pool, taken } = await setUp(t);
  const node = { ...upstream.nodes[0]!, poolKey: `${upstream.nodes[0]!.address} 1/60/1000` };
  const small = pools.get({ ...upstream, keepalive: 1 }, node);
  assert.notEqual(small, pool);
  assert.equal(pools.get({ ...upstream, keepalive: 1 }, node), small);
  const [mine, other] = [small, pool].map((one) => [one.take(false)!, one.take(false)!]);
  taken.push(...mine!, ...other!);
  await Promise.all(taken.map(({ socket }) => once(socket, "connect")));
  for (const connection of mine!) small.release(connection);
  for (const connection of other!) pool.release(connection);
  assert.deepEqual(
    taken.map(({ socket }) => socket.destroyed),
    [false, true, false, false],
  );
});

test("whoever waits too long is told so and leaves the queue", async (t) => {
  const { server, upstream, pools, pool, taken } = await setUp(t);
  // Handshakes that never happen keep every attempt under way.
  const options = new NodeTlsSource(new TrustedAuthorities(null)).get(false, null);
  const tls = pools.secure(upstream, upstream.nodes[0]!, options, "a.test");
  taken.push(...takeAll(tls));
  assert.notEqual(tls, pool);
  const waiter = new Waiter(0, []);
  tls.wait(waiter, 100);
  await once(server, "connection");
  while (!waiter.late) await new Promise(setImmediate);
  assert.equal(pools.counters.queued, 0);
  assert.equal(pools.counters.open, 0);
});

test("a node that refuses: everybody who waits gets an attempt, failures are counted", async (t) => {
  const { server, pools, pool, taken } = await setUp(t);
  server.close();
  await once(server, "close");
  taken.push(...takeAll(pool));
  const order: number[] = [];
  const waiters = Array.from({ length: 200 }, (_, i) => new Waiter(i, order));
  for (const waiter of waiters) pool.wait(waiter, 0);
  taken.push(...(await Promise.all(waiters.map((waiter) => waiter.connection))));
  while (pools.counters.connectFailures < 200 + FIRST_CONNECTS) await new Promise(setImmediate);
  assert.equal(order.length, 200);
  assert.deepEqual(pools.counters, { open: 0, queued: 0, connectFailures: 200 + FIRST_CONNECTS });
});

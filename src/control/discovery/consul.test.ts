import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import type { ConsulSettings } from "../../settings/settings.ts";
import { createConsul, type Consul } from "./consul.ts";

/** An instance as Consul shows it. */
const row = (address: string, port: number, weights?: object): object => ({
  Node: { Node: "n1", Address: "10.0.0.9" },
  Service: { ID: "x", Service: "shop", Address: address, Port: port, Weights: weights },
  Checks: [{ Status: "passing" }],
});

/** A stand-in of Consul: it holds back what is asked for with the index that it is at. */
class StandIn {
  readonly url: string;
  readonly asked: string[] = [];
  status = 200;
  text = "[]";
  /** 0: none is told, so nothing can be held back. */
  index = 0;
  /** Questions that are held back now. */
  readonly held = new Set<ServerResponse>();
  #waiting: (() => void)[] = [];

  constructor(url: string) {
    this.url = url;
  }

  take(path: string, token: string, response: ServerResponse): void {
    this.asked.push(`${path} ${token}`);
    const after = new URL(path, this.url).searchParams.get("index");
    if (after !== null && Number(after) === this.index) {
      this.held.add(response);
      response.once("close", () => this.held.delete(response));
    } else this.#answer(response);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Other instances, another index: what was held back is answered. */
  now(text: string, index: number): void {
    this.text = text;
    this.index = index;
    for (const response of this.held) this.#answer(response);
  }

  /** Resolves once so many questions were asked. */
  async wasAsked(times: number): Promise<void> {
    while (this.asked.length < times) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #answer(response: ServerResponse): void {
    const headers = this.index === 0 ? {} : { "X-Consul-Index": this.index };
    response.writeHead(this.status, headers).end(this.text);
  }
}

async function standIn(t: TestContext, instances: readonly object[] = [], index = 0): Promise<StandIn> {
  const server = createServer((request, response) =>
    consul.take(request.url ?? "", String(request.headers["x-consul-token"]), response),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const consul = new StandIn(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  consul.now(JSON.stringify(instances), index);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return consul;
}

function following(
  t: TestContext,
  servers: readonly string[],
  changes: Partial<ConsulSettings> = {},
): { consul: Consul; next: () => Promise<string>; hosts: () => Promise<string> } {
  const told: ((service: string) => void)[] = [];
  const consul = createConsul({
    settings: { servers, token: "secret", waitMs: 60_000, intervalMs: 20, weight: 5, ...changes },
    changed: (service) => {
      for (const resolve of told.splice(0)) resolve(service);
    },
  });
  t.after(() => consul.close());
  const hosts = async (): Promise<string> => {
    const found = await consul.look("shop");
    return "failure" in found ? found.failure : found.targets.map(({ host }) => host).join(" ");
  };
  return { consul, next: () => new Promise((resolve) => told.push(resolve)), hosts };
}

test("passing instances with their weights; the next server where one does not answer", async (t) => {
  const rows = [row("10.0.0.2", 81, { Passing: 10, Warning: 1 }), row("", 80), row("10.0.0.3", 0), {}];
  const [bad, good] = [await standIn(t), await standIn(t, rows)];
  bad.status = 500;
  const { consul } = following(t, ["http://127.0.0.1:1", bad.url, good.url], { intervalMs: 60_000 });
  const found = await consul.look("shop a");
  assert.deepEqual("targets" in found && found.targets, [
    { host: "10.0.0.2", port: 81, weight: 10, priority: 0 },
    { host: "10.0.0.9", port: 80, weight: 5, priority: 0 },
  ]);
  assert.deepEqual(good.asked, ["/v1/health/service/shop%20a?passing=true secret"]);
});

test("an answer is held back until something is different, and told at once then", async (t) => {
  const server = await standIn(t, [row("10.0.0.1", 80)], 7);
  const { consul, next, hosts } = following(t, [server.url]);
  assert.equal(await hosts(), "10.0.0.1");
  await server.wasAsked(2);
  assert.equal(server.asked[1], "/v1/health/service/shop?passing=true&index=7&wait=60s secret");
  const changed = next();
  server.now(JSON.stringify([row("10.0.0.2", 80)]), 8);
  assert.equal(await changed, "shop");
  assert.equal(await hosts(), "10.0.0.2");
  await server.wasAsked(3);
  assert.match(server.asked[2]!, /index=8/);
  // An index that goes back: the server has begun anew.
  server.now(JSON.stringify([row("10.0.0.2", 80)]), 3);
  await server.wasAsked(4);
  assert.doesNotMatch(server.asked[3]!, /index/);
  await server.wasAsked(5);
  consul.forget("shop");
  while (server.held.size > 0) await new Promise(setImmediate);
});

test("without an index, and with keepalive: false, the server is asked again and again", async (t) => {
  for (const [index, waitMs] of [
    [0, 60_000],
    [7, null],
  ] as const) {
    const server = await standIn(t, [row("10.0.0.1", 80)], index);
    const { next, hosts } = following(t, [server.url], { waitMs });
    assert.equal(await hosts(), "10.0.0.1");
    await server.wasAsked(3);
    const changed = next();
    server.now(JSON.stringify([row("10.0.0.2", 80)]), index);
    await changed;
    assert.equal(await hosts(), "10.0.0.2");
    assert.ok(server.asked.every((path) => !path.includes("index=")));
  }
});

test("a server that goes away, or knows nobody any more: the others are asked", async (t) => {
  const [one, two] = [await standIn(t, [row("10.0.0.1", 80)], 7), await standIn(t, [row("10.0.0.2", 80)], 90)];
  const { next, hosts } = following(t, [one.url, two.url]);
  assert.equal(await hosts(), "10.0.0.1");
  await one.wasAsked(2);
  const moved = next();
  one.now("[]", 8);
  await moved;
  assert.equal(await hosts(), "10.0.0.2");
  await two.wasAsked(2);
  const gone = next();
  two.status = 500;
  two.now("", 91);
  await gone;
  assert.match(await hosts(), /: status 500$/);
  const back = next();
  one.now(JSON.stringify([row("10.0.0.3", 80)]), 9);
  await back;
  assert.equal(await hosts(), "10.0.0.3");
});

test("what comes to nothing has a reason, and never the token", async (t) => {
  for (const [text, reason] of [
    ["[]", /knows no passing instance of shop/],
    ["{", /JSON/],
    ["{}", /no list/],
    ["[1, null]", /no passing instance|Cannot/],
  ] as const) {
    const server = await standIn(t);
    server.text = text;
    const { consul } = following(t, [server.url], { intervalMs: 60_000 });
    const found = await consul.look("shop");
    assert.ok("failure" in found, text);
    assert.match(found.failure, reason);
    assert.doesNotMatch(found.failure, /secret/);
  }
});

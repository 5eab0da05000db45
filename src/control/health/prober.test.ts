import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { HEALTH_WORDS, HealthTable } from "../../board/health-table.ts";
import type { ActiveCheck, HealthChecks } from "../../schema/health-check.ts";
import { NodeTlsSource, TrustedAuthorities } from "../../upstream/node-tls.ts";
import { activeJudgement } from "../../upstream/health.ts";
import { probe } from "./probe.ts";
import { Prober, type CheckedNode } from "./prober.ts";

const tls = new NodeTlsSource(new TrustedAuthorities(null)).get(false, null);

/** A server that takes connections and is told of each; it never answers. */
async function silent(t: TestContext): Promise<{ node: CheckedNode; probed: (times: number) => Promise<void> }> {
  let probes = 0;
  const waiting = new Set<() => void>();
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    probes++;
    for (const look of waiting) look();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const node = {
    host: "127.0.0.1",
    port,
    name: "127.0.0.1",
    hostHeader: null,
    address: `127.0.0.1:${port}`,
    tls,
    waits: false,
  };
  const probed = (times: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => void (probes >= times && waiting.delete(look) && resolve());
      waiting.add(look);
      look();
    });
  return { node, probed };
}

function checking(t: TestContext, changes: Partial<ActiveCheck> = {}): { prober: Prober; checks: HealthChecks } {
  const table = new HealthTable(new Int32Array(new SharedArrayBuffer(HEALTH_WORDS * 4)));
  const prober = new Prober(table, { warn: () => undefined });
  t.after(() => prober.close());
  const active: ActiveCheck = {
    type: "http",
    timeout: 0.5,
    concurrency: 1,
    http_method: "GET",
    http_path: "/",
    http_req_body: "",
    https_verify_certificate: true,
    healthy: { interval: 0.1, http_statuses: [200], successes: 1 },
    unhealthy: { interval: 0.1, http_statuses: [500], http_failures: 1, tcp_failures: 1, timeouts: 2 },
    ...changes,
  };
  return { prober, checks: { active } };
}

test("nodes that hang keep no others from being probed, in their upstream and in others", async (t) => {
  const { prober, checks } = checking(t);
  const all = [await silent(t), await silent(t), await silent(t)];
  prober.set("upstreams/a", checks, [all[0]!.node, all[1]!.node]);
  prober.set("upstreams/b", checks, [all[1]!.node, all[2]!.node]);
  await Promise.all([all[0]!.probed(1), all[1]!.probed(2), all[2]!.probed(1)]);
});

test("what comes while this thread cannot run is no timeout, nor is one of more than a timer can be", async (t) => {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { checks } = checking(t);
  const target = { host: "127.0.0.1", port, name: "127.0.0.1", hostHeader: null, tls };
  const outcome = probe(target, checks.active, activeJudgement(checks));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
  assert.equal(await outcome, "success");
  assert.equal(await probe(target, { ...checks.active, timeout: 3_000_000 }, activeJudgement(checks)), "success");
});

test("probes under way count, however often other things of the upstream change meanwhile", async (t) => {
  const { prober, checks } = checking(t, { concurrency: 10 });
  const [one, two] = [await silent(t), await silent(t)];
  const passive = { type: "http" } as const;
  prober.set("upstreams/a", checks, [one.node, two.node]);
  const timer = setInterval(
    () => prober.set("upstreams/a", { ...checks, passive }, [{ ...one.node }, { ...two.node }]),
    50,
  );
  t.after(() => clearInterval(timer));
  const statuses = (): string[] => prober.report("").flatMap(({ nodes }) => nodes.map(({ status }) => status));
  while (statuses().join() !== "unhealthy,unhealthy") await new Promise((resolve) => setTimeout(resolve, 50));
});

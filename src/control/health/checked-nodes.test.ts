import assert from "node:assert/strict";
import { test } from "node:test";
import { HEALTH_WORDS, HealthTable } from "../../board/health-table.ts";
import type { CheckedNodes } from "../../messages/messages.ts";
import type { HealthChecks } from "../../schema/health-check.ts";
import { healthKey } from "../../upstream/health.ts";
import { NodeTlsSource, TrustedAuthorities } from "../../upstream/node-tls.ts";
import { createCheckedNodesFeed } from "./checked-nodes.ts";
import { Prober } from "./prober.ts";

const active = { type: "tcp", timeout: 1, concurrency: 1, http_path: "/" };
const checks = { active } as unknown as HealthChecks;

const tls = new NodeTlsSource(new TrustedAuthorities(null)).get(false, null);
const nodes = [1, 2, 3].map((port) => ({
  host: "127.0.0.1",
  port,
  name: "localhost",
  hostHeader: null,
  address: `127.0.0.1:${port}`,
  tls,
  waits: false,
}));

test("nodes are told with their places on the board, and those beyond the limit are counted", (t) => {
  const table = new HealthTable(new Int32Array(new SharedArrayBuffer(HEALTH_WORDS * 4)));
  const prober = new Prober(table, { warn: () => undefined });
  t.after(() => prober.close());
  prober.set("upstreams/a", checks, nodes);
  prober.set("upstreams/b", checks, nodes);
  const { upstreams, unlisted } = prober.checked(4);
  assert.equal(unlisted, 2);
  assert.deepEqual(
    upstreams.map(({ key, probe, nodes: listed }) => [key, probe, listed.length]),
    [
      ["upstreams/a", "tcp", 3],
      ["upstreams/b", "tcp", 1],
    ],
  );
  const [first] = upstreams[1]?.nodes ?? [];
  assert.ok(first !== undefined && table.owns(first.place, healthKey("upstreams/b", first.address)));
  assert.equal(prober.checked(0).unlisted, 6);
});

test("many changes are told at once, and that there is nothing only where there was something", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sent: CheckedNodes[] = [];
  let now: CheckedNodes = { upstreams: [], unlisted: 0 };
  const feed = createCheckedNodesFeed(
    () => now,
    (report) => void sent.push(report),
  );
  t.after(() => feed.close());
  const wait = (): void => t.mock.timers.tick(1_000);
  feed.changed();
  wait();
  assert.equal(sent.length, 0);
  now = { upstreams: [{ key: "upstreams/a", probe: "http", nodes: [] }], unlisted: 0 };
  for (let i = 0; i < 5; i++) feed.changed();
  wait();
  now = { upstreams: [], unlisted: 0 };
  feed.changed();
  wait();
  feed.changed();
  wait();
  assert.deepEqual(
    sent.map(({ upstreams }) => upstreams.length),
    [1, 0],
  );
});

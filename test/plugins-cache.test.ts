import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { brotliDecompressSync } from "node:zlib";
import { ask, type Reply } from "./support/client.ts";
import { makePrefix, routeTo, runIn, type Gateway } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

// The cache on disk, which workers share and a restart leaves, and Brotli; through the front door.

/** Asks until every worker has answered from the cache. */
async function untilHit(gateway: Gateway, path: string): Promise<Reply> {
  const hits = new Set<string>();
  for (;;) {
    const answer = await ask(gateway.httpPort, path);
    if (answer.headers["apisix-cache-status"] === "HIT") {
      hits.add(/worker=\d+/.exec(String(answer.headers["x-turnpike-revision"]))?.[0] ?? "");
    }
    if (hits.size === 2) return answer;
    await setTimeout(2);
  }
}

test("answers kept on disk are every worker's, survive a kill, and are purged", async (t) => {
  const origin = await startOrigin(t, "origin", (request, response) => {
    response.setHeader("Content-Type", "text/html");
    if (request.url?.startsWith("/private") === true) response.setHeader("Cache-Control", "private");
    response.end(`${request.url} ${"and so on ".repeat(500)}`);
  });
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const closed = await freePort();
  const cached = { "proxy-cache": { cache_zone: "on_disk" } };
  const prefix = makePrefix(ports, {
    config: {
      apisix: {
        show_revision_in_response_header: true,
        proxy_cache: {
          cache_ttl: "1h",
          zones: [
            { name: "on_disk", disk_path: "cache", disk_size: "10m" },
            { name: "small", memory_size: "1m" },
          ],
        },
      },
      plugins: ["proxy-cache", "brotli", "gzip"],
    },
    standalone: {
      routes: [
        routeTo(`127.0.0.1:${closed}`, "/away", { id: "away", plugins: cached }),
        routeTo(origin.node, "/small", {
          id: "small",
          plugins: { "proxy-cache": { cache_strategy: "memory", cache_zone: "small" } },
        }),
        routeTo(origin.node, "/other", { id: "other", plugins: { "proxy-cache": { cache_zone: "small" } } }),
        routeTo(origin.node, "/*", { id: "all", plugins: { ...cached, brotli: {}, gzip: {} } }),
      ],
    },
  });
  let gateway = runIn(prefix, ports);
  t.after(() => gateway.close());
  await gateway.until(200);
  const { rejected } = (await gateway.status("/status/config")).json() as { rejected: { id: string; error: string }[] };
  assert.deepEqual(
    rejected.map(({ id, error }) => `${id}: ${error}`),
    [
      "other: failed to check the configuration of plugin proxy-cache err: invalid or empty cache_zone for cache_strategy: disk",
    ],
  );

  assert.equal((await ask(gateway.httpPort, "/a")).headers["apisix-cache-status"], "MISS");
  const { text, headers } = await untilHit(gateway, "/a");
  assert.match(text, /^\/a and so on /);
  assert.equal(headers["content-type"], "text/html; charset=utf-8");
  assert.match(String(headers.age), /^\d+$/);
  await ask(gateway.httpPort, "/private");
  await ask(gateway.httpPort, "/private");
  assert.equal((await ask(gateway.httpPort, "/private")).headers["apisix-cache-status"], "MISS");
  // A node that cannot be reached is not asked again and again.
  assert.equal((await ask(gateway.httpPort, "/away")).status, 502);
  assert.equal((await untilHit(gateway, "/away")).status, 502);

  const packed = await ask(gateway.httpPort, "/a", { headers: { "Accept-Encoding": "gzip, br" } });
  assert.deepEqual([packed.headers["apisix-cache-status"], packed.headers["content-encoding"]], ["HIT", "br"]);
  assert.equal(brotliDecompressSync(Buffer.from(packed.text, "latin1")).toString(), text);

  const asked = origin.requests();
  gateway.child.kill("SIGKILL");
  await once(gateway.child, "exit");
  gateway = runIn(prefix, ports);
  await gateway.until(200);
  assert.equal((await untilHit(gateway, "/a")).text, text);
  assert.equal(origin.requests(), asked);
  assert.equal((await ask(gateway.httpPort, "/a", { method: "PURGE" })).status, 200);
  assert.equal((await ask(gateway.httpPort, "/a", { method: "PURGE" })).status, 404);
  assert.equal((await ask(gateway.httpPort, "/a")).headers["apisix-cache-status"], "MISS");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "./support/client.ts";
import { startDns } from "./support/dns.ts";
import { startOrigin } from "./support/origin.ts";
import { serving } from "./support/serving.ts";

// Names of nodes: traffic follows the DNS, and never stops because of it.

test("traffic follows the answers, and stays where it is when none comes", async (t) => {
  const dns = await startDns(t);
  // One port on two addresses of this machine: what a name stands for decides who is asked.
  const first = await startOrigin(t, "first");
  const { createServer } = await import("node:http");
  const server = createServer((_, response) => response.end("second"));
  await new Promise<void>((resolve) => server.listen(first.port, "127.0.0.2", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  dns.answers.set("app.test", [{ type: "A", value: "127.0.0.1" }]);
  const upstream = { nodes: { [`app.test:${first.port}`]: 1 }, pass_host: "node" };
  const routes = [
    { id: "by-id", uri: "/by-id", upstream_id: "u" },
    { id: "inline", uri: "/inline", upstream },
    { id: "service", uri: "/service", service_id: "s" },
  ];
  const standalone = { routes, upstreams: [{ id: "u", ...upstream }], services: [{ id: "s", upstream }] };
  const apisix = { dns_resolver: [dns.server], resolver_timeout: 1 };
  const gateway = await serving(t, standalone, { workers: 2, config: { apisix } });

  const answers = async (): Promise<string[]> => {
    const seen = new Set<string>();
    for (const { uri } of [...routes, ...routes, ...routes]) {
      const reply = await ask(gateway.httpPort, uri);
      assert.equal(reply.status, 200, `${uri}: ${reply.text}`);
      seen.add(reply.text.split(" ")[0] ?? "");
    }
    return [...seen].sort();
  };
  /** Asks until the answers are these: every one of them must be a 200. */
  const follows = async (expected: readonly string[]): Promise<void> => {
    for (;;) {
      const seen = await answers();
      if (seen.join() === expected.join()) return;
    }
  };

  await follows(["first"]);
  dns.answers.set("app.test", [{ type: "A", value: "127.0.0.2" }]);
  await follows(["second"]);
  for (const failure of ["SERVFAIL", "silent", []] as const) {
    dns.answers.set("app.test", failure);
    await dns.asked("app.test");
    assert.deepEqual(await answers(), ["second"], `after ${JSON.stringify(failure)}`);
  }
  dns.answers.set("app.test", [
    { type: "A", value: "127.0.0.1" },
    { type: "A", value: "127.0.0.2" },
  ]);
  await follows(["first", "second"]);
  dns.answers.set("app.test", [{ type: "A", value: "127.0.0.1", ttl: 300 }]);
  await follows(["first"]);
  assert.match(gateway.errorLog, /name\/app\.test cannot be resolved: SERVFAIL/);
});

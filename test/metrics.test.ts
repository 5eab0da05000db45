import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ask, type Reply } from "./support/client.ts";
import { type Gateway, startGateway } from "./support/gateway.ts";
import { startLoad } from "./support/load.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";
import { to } from "./support/serving.ts";

// Metrics through the front door: one gateway with two workers, scraped on its export server.

const PATH = "/apisix/prometheus/metrics";
/** Of what the load sends for each. */
const REQUEST_BYTES = "GET /load/200 HTTP/1.1\r\nHost: test\r\n\r\n".length;
const deploy = fileURLToPath(new URL("../deploy/prometheus", import.meta.url));

/** Samples by name and labels. */
type Samples = ReadonlyMap<string, number>;

async function scrape(port: number): Promise<Samples> {
  const { status, text } = await ask(port, PATH);
  assert.equal(status, 200, text);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

/** Scrapes until the samples are as told; what workers count is there a moment after the answer. */
async function until(port: number, what: string, holds: (samples: Samples) => boolean): Promise<Samples> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const samples = await scrape(port);
    if (holds(samples)) return samples;
    if (Date.now() > deadline) throw new Error(`never ${what}: ${JSON.stringify([...samples])}`);
    await setTimeout(20);
  }
}

/** The sum of all samples of a name whose labels contain these texts. */
function sum(samples: Samples, name: string, ...labels: readonly string[]): number {
  let total = 0;
  for (const [key, value] of samples) {
    if (key.split("{")[0] === name && labels.every((label) => key.includes(label))) total += value;
  }
  return total;
}

async function start(t: TestContext): Promise<{ gateway: Gateway; port: number }> {
  const origin = await startOrigin(t);
  const port = await freePort();
  const route = (id: string, plugins: object, more: object = {}): object =>
    to({ [origin.node]: 1 }, {}, { id, uri: `/${id}/*`, plugins, ...more });
  const gateway = await startGateway(t, {
    workers: 2,
    faults: "on",
    status: { unresponsive_after: "1s" },
    config: { plugin_attr: { prometheus: { export_addr: { ip: "127.0.0.1", port } } } },
    standalone: {
      routes: [
        route("load", { prometheus: {} }),
        route("keyed", { prometheus: { prefer_name: true }, "key-auth": {} }, { name: "by-name", host: "a.com" }),
        route("plain", {}),
        route("metrics", { "public-api": { uri: PATH } }),
        route("broken", { "no-such-plugin": {} }),
      ],
      consumers: [{ username: "jack", plugins: { "key-auth": { key: "jack-key" } } }],
    },
  });
  await gateway.until(200);
  return { gateway, port };
}

const requests = (samples: Samples): number => sum(samples, "apisix_http_status", 'route="load"');

test("metrics", async (t) => {
  const { gateway, port } = await start(t);
  let counted = 0;

  await t.test("the export server answers where it is asked for metrics, and nowhere else", async () => {
    const answer = await ask(port, PATH);
    assert.deepEqual([answer.status, answer.headers["content-type"]], [200, "text/plain; charset=utf-8"]);
    assert.doesNotMatch(answer.text, /apisix_http_status/, "no request was counted yet");
    assert.match(answer.text, /^turnpike_ready 1$/m);
    assert.match(answer.text, /^turnpike_config_rejected\{kind="routes"\} 1$/m);
    const of = async (path: string, method = "GET"): Promise<number> => (await ask(port, path, { method })).status;
    assert.deepEqual(
      [await of("/metrics"), await of("/nope"), await of(PATH, "POST"), await of(`${PATH}?x`)],
      [200, 404, 404, 200],
    );
  });

  await t.test("every request is counted once, over both workers", async () => {
    const load = startLoad(gateway.httpPort, 32, "/load/200");
    await load.reached(2_000);
    const { answers } = await load.stop();
    counted = answers;
    const samples = await until(port, "all counted", (now) => requests(now) === answers);
    const labels = ['code="200"', 'matched_uri="/load/*"', 'node="127.0.0.1"', 'response_source="upstream"'];
    assert.equal(sum(samples, "apisix_http_status", ...labels), answers);
    for (const type of ["request", "upstream", "apisix"]) {
      assert.equal(sum(samples, "apisix_http_latency_count", `type="${type}"`), answers);
      assert.equal(sum(samples, "apisix_http_latency_bucket", `type="${type}"`, 'le="+Inf"'), answers);
    }
    assert.equal(sum(samples, "apisix_bandwidth", 'type="ingress"'), answers * REQUEST_BYTES);
    const total = await until(port, "requests", (now) => sum(now, "apisix_http_requests_total") >= answers);
    assert.equal(sum(total, "turnpike_worker_revision"), 2 * sum(total, "turnpike_config_revision"));
    assert.equal(sum(total, "turnpike_worker_up"), 2);
  });

  await t.test(
    "consumers, names, and answers of the gateway itself; nothing of routes without the plugin",
    async () => {
      const keyed = (key: string): Promise<Reply> =>
        ask(gateway.httpPort, "/keyed/1", { headers: { Host: "a.com", apikey: key } });
      assert.equal((await keyed("jack-key")).status, 200);
      assert.equal((await keyed("wrong")).status, 401);
      assert.equal((await ask(gateway.httpPort, "/plain/1")).status, 200);
      const named = (samples: Samples, ...labels: string[]): number =>
        sum(samples, "apisix_http_status", 'route="by-name"', 'matched_host="a.com"', ...labels);
      const samples = await until(port, "both counted", (now) => named(now) === 2);
      assert.equal(named(samples, 'code="200"', 'consumer="jack"', 'response_source="upstream"'), 1);
      assert.equal(named(samples, 'code="401"', 'consumer=""', 'node=""', 'response_source="apisix"'), 1);
      assert.equal(sum(samples, "apisix_http_status", 'route="plain"'), 0);
    },
  );

  await t.test("promtool finds nothing wrong but names that are APISIX's", async () => {
    const { text } = await ask(port, PATH);
    const check = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
    assert.equal(check.error, undefined);
    const said = check.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("apisix_"));
    assert.deepEqual(said, []);
    for (const args of [
      ["check", "rules", "alerts.yml"],
      ["test", "rules", "alerts.test.yml"],
      ["check", "config", "prometheus.yml"],
    ]) {
      const { status, stdout, stderr } = spawnSync("promtool", args, { cwd: deploy, encoding: "utf8" });
      assert.equal(status, 0, `${args.join(" ")}: ${stdout}${stderr}`);
    }
  });

  await t.test("a worker that hangs keeps no scrape waiting, and nothing that it counted is lost", async () => {
    await gateway.fault(0, "hang");
    const hung = await until(port, "down", (now) => now.get('turnpike_worker_up{worker="0"}') === 0);
    assert.equal(requests(hung), counted);
    const back = await until(port, "back", (now) => sum(now, "turnpike_worker_up") === 2);
    assert.equal(requests(back), counted);
    assert.equal(back.get('turnpike_worker_restarts_total{worker="0"}'), 1);
  });

  await t.test("counters do not go back when threads die, nor with a reload", async () => {
    const before = await scrape(port);
    await gateway.fault(1, "crash");
    await until(port, "again", (now) => now.get('turnpike_worker_restarts_total{worker="1"}') === 1);
    await gateway.until(200);
    await gateway.control("/v1/faults?fault=control-crash").catch(() => null);
    for (;;) {
      const samples = await scrape(port).catch(() => null);
      if (samples?.get("turnpike_control_restarts_total") === 1) break;
      await setTimeout(20);
    }
    gateway.child.kill("SIGHUP");
    while (!(await gateway.status("/status/events")).text.includes('"cause":"done"')) await setTimeout(20);
    await ask(gateway.httpPort, "/load/1");
    counted++;
    const after = await until(port, "counted on", (now) => requests(now) === counted);
    for (const [key, value] of before) {
      if (!/_total|_count|_sum|_bucket|^apisix_(http_status|bandwidth)/.test(key)) continue;
      assert.ok((after.get(key) ?? -1) >= value, `${key} ${value} ${after.get(key)}`);
    }
    assert.equal(after.get('turnpike_reloads_total{result="done"}'), 1);
    assert.ok(sum(after, "turnpike_config_change_to_live_seconds_count") >= 1);
  });

  await t.test("a reload that is refused, and a source that cannot be read", async () => {
    gateway.writeStandalone("routes: [\n#END\n");
    await until(port, "failing", (now) => now.get("turnpike_config_source_up") === 0);
    gateway.rewriteConfig((text) => text.replace("worker_processes: 2", "worker_processes: none"));
    gateway.child.kill("SIGHUP");
    const samples = await until(port, "refused", (now) => now.get('turnpike_reloads_total{result="failed"}') === 1);
    assert.ok(sum(samples, "turnpike_config_load_failures_total") >= 1);
    assert.equal(samples.get("turnpike_ready"), 1);
    gateway.rewriteConfig((text) => text.replace("worker_processes: none", "worker_processes: 2"));
  });

  await t.test("without the export server public-api leads to the metrics, with all that was counted", async () => {
    assert.equal((await ask(gateway.httpPort, "/metrics/")).status, 404, "with the server it is there alone");
    gateway.rewriteConfig((text) => text.replace("export_addr:", "enable_export_server: false\n    export_addr:"));
    gateway.child.kill("SIGHUP");
    for (;;) {
      // A connection that waits for a worker which is being replaced may be reset.
      const { status, text } = await ask(gateway.httpPort, "/metrics/").catch(() => ({ status: 0, text: "" }));
      if (status === 200 && text.includes('turnpike_reloads_total{result="done"} 2')) {
        assert.match(text, new RegExp(`^apisix_http_status\\{code="200",route="load".* ${counted}$`, "m"));
        break;
      }
      await setTimeout(20);
    }
    await assert.rejects(ask(port, PATH), { code: "ECONNREFUSED" });
  });
});

test("the gateway does not start where its export address is taken, and says so", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, {
    workers: 1,
    config: {
      plugin_attr: { prometheus: { export_addr: { ip: "127.0.0.1", port: origin.port } } },
    },
  });
  assert.equal(await gateway.exited, 1);
  assert.match(gateway.output, /prometheus 127\.0\.0\.1:\d+: the address is already in use/);
});

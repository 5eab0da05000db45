import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { test, type TestContext } from "node:test";
import * as fc from "fast-check";
import { Board } from "../src/board/board.ts";
import { CounterTable } from "../src/board/counter-table.ts";
import { createEngine, type WorkerEngine } from "../src/compile/engine.ts";
import { trafficConfs } from "../src/control/conf-cases-traffic.ts";
import { serviceConfs } from "../src/control/conf-cases-services.ts";
import { resourceCheckFor } from "../src/control/resource-check.ts";
import { nestingFault } from "../src/lib/nesting.ts";
import type { PluginExamples } from "../src/plugins/examples.ts";
import { plugins } from "../src/plugins/index.ts";
import type { Change } from "../src/schema/kinds.ts";
import { parseKey } from "../src/source/keyed-layout.ts";
import { checkResource, servingFault, validate } from "../src/store/check-resource.ts";
import { settingsWith } from "../src/worker/fixtures.ts";
import { createHttpServer } from "../src/worker/http-server.ts";
import { certificate, privateKey } from "./support/certificate.ts";
import { times } from "./support/extent.ts";
import { edited, edits, partsOf, type Json } from "./support/hostile.ts";

// Whatever is accepted can be compiled, and answers requests: no value that somebody writes into a
// resource is met by an exception, neither where it is judged nor where it is served.

type Resources = Readonly<Record<string, Json>>;

const check = resourceCheckFor(null);
/** Functions that users write may fail, and the examples' do where their phase is another. */
const usersOwn = /serverless/;

/** Sets of resources that belong together: the examples of the plugins, a route for each plugin, and all kinds. */
async function resourcesWith(node: string): Promise<readonly Resources[]> {
  const folder = new URL("../src/plugins/", import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith(".examples.ts") && !usersOwn.test(name));
  const modules = await Promise.all(
    files.map(async (name) => (await import(new URL(name, folder).href)) as { readonly examples: PluginExamples }),
  );
  const upstream = { nodes: { [node]: 1 }, type: "roundrobin" };
  const routes = Object.entries({ ...trafficConfs, ...serviceConfs })
    .filter(([name]) => plugins.has(name) && !usersOwn.test(name))
    .map(([name, [good]]) => ({ "routes/1": { uri: "/*", plugins: { [name]: good }, upstream } }));
  const examples = modules.flatMap((module) => module.examples.examples.map(({ resources }) => resources));
  const all = JSON.stringify([...examples, ...routes, ...Array<object>(12).fill(everyKind(node))]);
  return JSON.parse(all.replaceAll(/127\.0\.0\.1:808[01]/g, node)) as Resources[];
}

function everyKind(node: string): object {
  const [host, port] = node.split(":");
  const upstream = { nodes: { [node]: 1 }, type: "roundrobin", timeout: { connect: 1, send: 1, read: 1 } };
  const nodes = [{ host, port: Number(port), weight: 1, priority: 0, metadata: { a: 1 } }];
  const checks = {
    active: { type: "http", http_path: "/", healthy: { interval: 1 }, unhealthy: { http_failures: 2 } },
  };
  const vars = ["OR", ["arg_a", "==", "1"], ["uri", "~~", "^/"], ["post_arg.a.b[0]", "!", "==", "2"]];
  const meta = { filter: vars, priority: 3, error_response: { message: "m" } };
  return {
    "routes/1": {
      uri: "/a/*",
      methods: ["GET", "POST"],
      vars,
      timeout: { connect: 1, send: 2, read: 3 },
      service_id: 1,
    },
    "routes/2": {
      uris: ["/b/:x/c", "/b2"],
      hosts: ["*.a.test"],
      remote_addrs: ["127.0.0.0/8"],
      upstream_id: "1",
      plugin_config_id: 1,
    },
    "routes/3": {
      uri: "/c",
      upstream: {
        type: "chash",
        hash_on: "vars_combinations",
        key: "$arg_a$post_arg.b",
        nodes,
        checks,
        retries: 2,
        pass_host: "rewrite",
        upstream_host: "h.test",
        keepalive_pool: { size: 3, idle_timeout: 4, requests: 5 },
      },
    },
    "services/1": {
      hosts: ["a.test", "*"],
      upstream,
      plugins: { "limit-count": { count: 100, time_window: 60, group: "g", _meta: meta } },
    },
    "upstreams/1": { type: "ewma", nodes, tls: { client_cert: certificate, client_key: privateKey } },
    "plugin_configs/1": { plugins: { "proxy-rewrite": { uri: "/x", headers: { set: { A: "$arg_a" } } } } },
    "global_rules/1": { plugins: { "ip-restriction": { blacklist: ["10.0.0.0/8"] }, "request-id": {} } },
    "consumer_groups/1": { plugins: { "limit-req": { rate: 100, burst: 100, key: "consumer_name" } } },
    "consumers/jack": { username: "jack", group_id: "1", plugins: { "key-auth": { key: "k" } } },
    "consumers/jack/credentials/1": { plugins: { "basic-auth": { username: "u", password: "p" } } },
    "ssls/1": {
      cert: certificate,
      key: privateKey,
      snis: ["a.test", "*.b.test"],
      client: { ca: certificate, skip_mtls_uri_regex: ["^/a"] },
    },
    "stream_routes/1": { server_port: 9100, remote_addr: "127.0.0.0/8", sni: "a.test", upstream },
    "plugin_metadata/file-logger": { log_format: { host: "$host", a: { b: "$arg_a" } } },
    "routes/4": { uri: "/d", plugins: { "file-logger": {}, "key-auth": {} }, upstream },
  };
}

/** A resource in the form in which a source of its kind has it; `null`: what the key names is no resource. */
function placed(key: string, value: Json): { readonly change: Omit<Change, "text">; readonly value: Json } | null {
  const place = parseKey(key);
  if (place === null || typeof value !== "object" || value === null || nestingFault(value) !== null) return null;
  const { kind, id } = place;
  const named = kind === "consumers" || kind === "credentials" ? value : { ...value, id };
  return { change: { kind, id }, value: named as Json };
}

/** What the store makes of a resource; `null`: it is refused. Both ways of judging it agree, and neither fails. */
function judged(key: string, given: Json): Change | null {
  const found = placed(key, given);
  if (found === null) return null;
  const { change, value } = found;
  const { kind, id } = change;
  const refusal = validate(kind, id, value, check) ?? servingFault(kind, id, value, check);
  const checked = checkResource(kind, id, structuredClone(value), check);
  const error = "error" in checked ? checked.error : null;
  assert.ok(error?.startsWith("cannot be checked") !== true, `${key}: ${error}`);
  assert.equal(error === null, refusal === null, `${key}: ${error} / ${refusal}`);
  return "error" in checked ? null : { ...change, text: checked.text };
}

interface Served {
  readonly engine: WorkerEngine;
  readonly port: number;
  /** What was logged as an error and is no word about nodes. */
  readonly faults: string[];
}

async function startWorker(t: TestContext): Promise<Served> {
  const faults: string[] = [];
  const aboutNodes = /UPSTREAM_|has a scheme that cannot|of limit-/;
  const log = { warn: () => undefined, error: (text: string) => void (aboutNodes.test(text) || faults.push(text)) };
  const settings = settingsWith({}, { prefix: tmpdir() });
  const engine = createEngine({ settings, plugins, log, counters: new CounterTable() });
  const { certificates } = engine;
  const record = new Board().record(0);
  const tickets = { epoch: 0, secret: new Uint8Array(32) };
  const parts = { settings, engine, certificates, tickets, record, slot: 0, accessLog: null, log };
  const server = createHttpServer(parts);
  const [address] = await server.listen(settings.http.listen);
  t.after(async () => {
    await server.drain(0);
    engine.close();
    // Plugins that were told to delay an answer for hours still wait; nobody else does.
    setTimeout(() => process.exit(), 1_000).unref();
  });
  return { engine, port: address!.port, faults };
}

/** Asks; a node that does not answer is none of this test's matter. */
async function ask(port: number, path: string, body: string | null): Promise<void> {
  const headers = { host: "a.test", apikey: "k", "user-agent": "a", "content-type": "application/json" };
  const asked = request({ port, path, method: body === null ? "GET" : "POST", headers, timeout: 500 });
  asked.on("timeout", () => asked.destroy());
  asked.on("error", () => undefined);
  asked.on("response", (response) => response.resume());
  asked.end(body ?? undefined);
  await new Promise<void>((resolve) => asked.on("close", resolve));
}

test("whatever is accepted is compiled and answers requests", async (t) => {
  const origin = createServer((_, response) => response.end("fine"));
  await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    origin.closeAllConnections();
    origin.close();
  });
  const sets = await resourcesWith(`127.0.0.1:${(origin.address() as AddressInfo).port}`);
  const pool = sets.flatMap((set) => partsOf(set as Json));
  const { engine, port, faults } = await startWorker(t);
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat(sets.length - 1), fc.nat(), edits, async (index, which, changes) => {
      const set = sets[index]!;
      const keys = Object.keys(set);
      const key = keys[which % keys.length]!;
      // As it comes by the network, which knows no -0 and no holes.
      const value = JSON.parse(JSON.stringify(edited(set[key]!, changes, pool))) as Json;
      const change = judged(key, value);
      if (change === null) return;
      accepted++;
      const others = keys.filter((other) => other !== key).flatMap((other) => judged(other, set[other]!) ?? []);
      assert.deepEqual(engine.replace([...others, change]), []);
      engine.matchStream({ remoteAddr: "127.0.0.1", serverAddr: "127.0.0.1", serverPort: 9100, sni: "a.test" });
      engine.certificates.find("a.test")?.frees(`/${"a".repeat(50)}`);
      const paths = Object.keys(set).length > 12 ? ["/a/x?a=1", "/b2", "/c?a=1", "/d"] : ["/anything/x?a=1"];
      await Promise.all(paths.flatMap((path) => [ask(port, path, null), ask(port, path, '{"a":{"b":[1]},"b":"x"}')]));
      assert.deepEqual(faults, []);
    }),
    { numRuns: times(30_000, 1_000), endOnFailure: true },
  );
  assert.ok(accepted >= times(4_500, 150), `${accepted} accepted`);
});

import assert from "node:assert/strict";
import { closeSync, mkdirSync, openSync, renameSync, symlinkSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { ask } from "./support/client.ts";
import { type Gateway, routeTo, startGateway } from "./support/gateway.ts";
import { startLoad } from "./support/load.ts";
import { startOrigin } from "./support/origin.ts";
import { serving } from "./support/serving.ts";

// What can be in a standalone file, and the ways in which such a file changes.

/** Per kind an entry that is wrong and what its rejection must name. */
const wrong: Readonly<Record<string, [entry: object, id: string, names: RegExp]>> = {
  routes: [{ id: "bad", uri: "/bad", priority: "high", upstream: { nodes: {} } }, "bad", /priority/],
  services: [{ id: "bad", enable_websocket: 1 }, "bad", /enable_websocket/],
  upstreams: [{ id: "bad", nodes: { "127.0.0.1:1": "one" } }, "bad", /nodes/],
  consumers: [{ username: "bad", plugins: { "key-auth": { key: 5 } } }, "bad", /key/],
  credentials: [{ id: "jack/credentials/bad", plugins: { "key-auth": {} } }, "jack/credentials/bad", /key/],
  consumer_groups: [{ id: "bad", plugins: "none" }, "bad", /plugins/],
  ssls: [{ id: "bad", sni: "a.com", cert: "x" }, "bad", /cert|key/],
  global_rules: [{ id: "bad", plugins: { "request-id": { algorithm: "dice" } } }, "bad", /algorithm/],
  plugin_configs: [{ id: "bad", plugins: 7 }, "bad", /plugins/],
  plugin_metadata: [{ id: "no-such-plugin" }, "no-such-plugin", /plugin name/],
  protos: [{ id: "bad", content: 5 }, "bad", /content/],
  secrets: [{ id: "vault/bad", uri: 5, prefix: "kv", token: "t" }, "vault/bad", /uri/],
  stream_routes: [{ id: "bad", server_port: "one" }, "bad", /server_port/],
  plugins: [{ name: 5 }, "plugins", /name/],
};

interface ConfigReport {
  readonly rejected: readonly { readonly kind: string; readonly id: string; readonly error: string }[];
  readonly last_failure: unknown;
}

const configOf = async (gateway: Gateway): Promise<ConfigReport> =>
  (await gateway.status("/status/config")).json() as unknown as ConfigReport;

for (const [kind, [entry, id, names]] of Object.entries(wrong)) {
  test(`a wrong entry of ${kind} is rejected with its reason, the rest serves`, async (t) => {
    const origin = await startOrigin(t);
    const gateway = await serving(t, {});
    const revision = (await gateway.revision()) + 1;
    const good = { routes: [routeTo(origin.node, "/good", { id: "good" })], consumers: [{ username: "jack" }] };
    const list = kind === "credentials" ? "consumers" : kind;
    const others = (good as Record<string, object[]>)[list] ?? [];
    gateway.writeStandalone({ ...good, [list]: [...others, entry] });
    await gateway.applied(revision);
    const { rejected } = await configOf(gateway);
    assert.deepEqual(
      rejected.map((rejection) => `${rejection.kind} ${rejection.id}`),
      [`${kind} ${id}`],
      JSON.stringify(rejected),
    );
    assert.match(rejected[0]?.error ?? "", names);
    assert.equal((await ask(gateway.httpPort, "/good")).status, 200);
  });
}

test("an unknown kind is rejected by name, with the one that was meant", async (t) => {
  const gateway = await serving(t, {});
  const revision = (await gateway.revision()) + 1;
  gateway.writeStandalone({ route: [{ uri: "/x" }] });
  await gateway.applied(revision);
  assert.match((await configOf(gateway)).rejected[0]?.error ?? "", /routes/);
});

test("${{ENV}} in values: set, by default, as a number; unset is a failure of the file", async (t) => {
  const origin = await startOrigin(t);
  const text = (path: string): string =>
    [
      "routes:",
      "  - id: env",
      `    uri: \${{${path}}}`,
      "    priority: ${{TURNPIKE_TEST_PRIORITY}}",
      "    upstream:",
      "      nodes:",
      '        "${{TURNPIKE_TEST_NODE}}": ${{TURNPIKE_TEST_WEIGHT:=1}}',
      "#END\n",
    ].join("\n");
  const env = { TURNPIKE_TEST_PRIORITY: "5", TURNPIKE_TEST_NODE: origin.node, TURNPIKE_TEST_PATH: "/from-env" };
  const gateway = await startGateway(t, { workers: 1, env, standalone: text("TURNPIKE_TEST_PATH") });
  await gateway.until(200);
  assert.deepEqual((await configOf(gateway)).rejected, []);
  assert.equal((await ask(gateway.httpPort, "/from-env")).status, 200);
  gateway.writeStandalone(text("TURNPIKE_TEST_UNSET"));
  while ((await configOf(gateway)).last_failure === null);
  assert.match(JSON.stringify((await configOf(gateway)).last_failure), /TURNPIKE_TEST_UNSET/);
  assert.equal((await ask(gateway.httpPort, "/from-env")).status, 200, "the last good configuration serves");
});

test("the file is swapped by symbolic links, as a ConfigMap is", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { workers: 1, standalone: null });
  const conf = join(gateway.prefix, "conf");
  const publish = (version: number): void => {
    mkdirSync(join(conf, `..v${version}`));
    const content = { routes: [routeTo(origin.node, `/v${version}`)] };
    writeFileSync(join(conf, `..v${version}`, "apisix.yaml"), `${stringify(content)}#END\n`);
    symlinkSync(`..v${version}`, join(conf, "..data_tmp"));
    renameSync(join(conf, "..data_tmp"), join(conf, "..data"));
  };
  publish(1);
  symlinkSync(join("..data", "apisix.yaml"), join(conf, "apisix.yaml"));
  await gateway.until(200);
  for (let version = 1; version <= 10; version++) {
    if (version > 1) publish(version);
    assert.equal((await gateway.applied(version)).status, 200);
    assert.equal((await ask(gateway.httpPort, `/v${version}`)).status, 200);
    assert.equal((await ask(gateway.httpPort, `/v${version - 1}`)).status, 404);
  }
});

for (const provider of ["yaml", "json"] as const) {
  test(`${provider}: written in place, half by half, a file never costs the good configuration`, async (t) => {
    const origin = await startOrigin(t);
    const fixed = routeTo(origin.node, "/fixed", { id: "fixed" });
    const content = (change: number): string => {
      const document = { routes: [fixed, routeTo(origin.node, `/v${change}`, { id: "moving" })] };
      return provider === "json" ? JSON.stringify(document) : `${stringify(document)}#END\n`;
    };
    const gateway = await startGateway(t, { workers: 1, provider, standalone: content(0) });
    await gateway.until(200);
    const load = startLoad(gateway.httpPort, 2, "/fixed");
    const file = join(gateway.prefix, "conf", `apisix.${provider}`);
    for (let change = 1; change <= 20; change++) {
      const text = content(change);
      const middle = 10 + ((change * 37) % (text.length - 12));
      const descriptor = openSync(file, "w");
      writeSync(descriptor, text.slice(0, middle));
      // Long enough for the half to be seen: some answers in between.
      await load.reached(load.answers() + 50);
      writeSync(descriptor, text.slice(middle));
      closeSync(descriptor);
      assert.equal((await gateway.applied(change + 1)).status, 200);
      assert.equal((await ask(gateway.httpPort, `/v${change}`)).status, 200);
    }
    unlinkSync(file);
    await load.reached(load.answers() + 100);
    const { statuses, failed } = await load.stop();
    assert.deepEqual([Object.keys(statuses), failed], [["200"], []]);
    assert.equal((await gateway.status("/status/ready")).status, 200);
  });
}

test("5,000 routes in one file: all of them, then one changed among them", async (t) => {
  const origin = await startOrigin(t);
  const routes = Array.from({ length: 5_000 }, (_, i) => ({
    id: `r${i}`,
    uri: i % 2 === 0 ? `/api/${i}` : `/api/${i}/*`,
    ...(i % 3 === 0 && { host: `h${i % 100}.example.com` }),
    upstream_id: "origin",
  }));
  const upstreams = [{ id: "origin", nodes: { [origin.node]: 1 } }];
  const gateway = await serving(t, { upstreams, routes });
  const status = async (i: number): Promise<number> => {
    const headers = { Host: `h${i % 100}.example.com` };
    return (await ask(gateway.httpPort, i % 2 === 0 ? `/api/${i}` : `/api/${i}/x`, { headers })).status;
  };
  for (let i = 0; i < 5_000; i += 131) assert.equal(await status(i), 200, `route ${i}`);
  assert.equal(await status(5_000), 404);
  await serving(t, { upstreams, routes: routes.with(4_000, { ...routes[4_000]!, uri: "/moved" }) });
  assert.equal(await status(4_000), 404);
  assert.equal((await ask(gateway.httpPort, "/moved")).status, 200);
  assert.equal(await status(3_999), 200);
});

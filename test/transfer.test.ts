import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { stringify } from "yaml";
import { startEtcd } from "./support/etcd.ts";
import {
  makePrefix,
  routeTo,
  runIn,
  startGateway,
  turnpike,
  type Gateway,
  type Ports,
  type Provider,
} from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

// `turnpike export`, `turnpike import` and `turnpike start --seed`, with and without a running gateway.

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(prefix: string, ...args: readonly string[]): Promise<Ran> {
  const child = spawn(turnpike, [...args, "-p", prefix], { cwd: prefix, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  child.stderr.on("data", (chunk) => (err += String(chunk)));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

async function ports(): Promise<Ports> {
  return [await freePort(), await freePort(), await freePort(), await freePort()];
}

/** A prefix for a gateway with that source; removed after the test. */
async function prefixFor(t: TestContext, provider: Provider, given?: Ports): Promise<string> {
  const prefix = makePrefix(given ?? (await ports()), { provider });
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  return prefix;
}

/** A standalone file in the prefix; its name. */
function write(prefix: string, content: object, name = "new.yaml"): string {
  writeFileSync(join(prefix, name), `${stringify(content, { version: "1.1" })}#END\n`);
  return name;
}

const keyAuth = (key: string): object => ({ "key-auth": { key } });

/** The revision that an import printed. */
const revisionIn = (out: string): number => Number(/at its revision (\d+)/.exec(out)?.[1]);

async function live(gateway: Gateway, { code, out, err }: Ran): Promise<void> {
  assert.equal(code, 0, err);
  assert.equal((await gateway.applied(revisionIn(out))).status, 200);
}

test("beside a running gateway: export at any time, import as one change that goes live by itself", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { provider: "embedded" });
  await gateway.until(200);
  const { prefix } = gateway;
  const route = { id: "old", ...routeTo(origin.node, "/old") };
  const file = write(prefix, {
    routes: [route, { id: "new", ...routeTo(origin.node, "/new"), plugins: { "key-auth": {} } }],
    consumers: [{ username: "jack", plugins: keyAuth("jacks-key") }],
  });
  const dry = await run(prefix, "import", file, "--dry-run");
  assert.deepEqual([dry.code, dry.err], [0, ""]);
  assert.match(dry.out, /^created routes\/new$[^]*dry run, nothing was written: 3 created/m);
  const first = await run(prefix, "import", file);
  assert.match(first.out, /^created consumers\/jack\ncreated routes\/old\ncreated routes\/new\nturnpike: 3 created/);
  assert.match(first.out, /^turnpike: `turnpike wait --revision \d+` returns when that is live$/m);
  await live(gateway, first);
  assert.equal((await gateway.get("/old")).status, 200);
  assert.equal((await gateway.get("/new", { headers: { apikey: "jacks-key" } })).status, 200);
  assert.doesNotMatch(readFileSync(join(prefix, "data/turnpike.db-wal"), "latin1"), /jacks-key/);

  const exported = await run(prefix, "export", "-o", "backup.yaml");
  assert.equal(exported.code, 0, exported.err);
  assert.equal(statSync(join(prefix, "backup.yaml")).mode & 0o777, 0o600);
  const text = readFileSync(join(prefix, "backup.yaml"), "utf8");
  assert.match(text, /key: jacks-key/);
  assert.equal((await run(prefix, "export")).out, text);

  await live(gateway, await run(prefix, "import", write(prefix, { routes: [route] }), "--replace"));
  assert.equal((await gateway.get("/new")).status, 404);
  assert.equal((await gateway.admin("GET", "/routes/new")).status, 404);
  const restored = await run(prefix, "import", "backup.yaml", "--replace");
  assert.match(restored.out, /2 created, 0 changed, 0 deleted, 1 unchanged/);
  await live(gateway, restored);
  assert.equal((await gateway.get("/new", { headers: { apikey: "jacks-key" } })).status, 200);
});

test("a file with a mistake changes nothing and is named with line and field", async (t) => {
  const prefix = await prefixFor(t, "embedded");
  const file = write(prefix, { routes: [{ id: 1, uri: 5, upstream_id: "nope" }] });
  const { code, out, err } = await run(prefix, "import", file);
  assert.deepEqual([code, out], [1, ""]);
  assert.match(
    err,
    /^new\.yaml:3: routes\[0\]\.uri: wrong type.*\nnew\.yaml:4: routes\[0\]\.upstream_id: .*2 mistakes/s,
  );
  assert.match((await run(prefix, "import", "none.yaml")).err, /not imported: none\.yaml: no such file/);
  assert.equal((await run(prefix, "import")).code, 64);
  assert.equal((await run(prefix, "import", file, "--merge", "--replace")).code, 64);
});

test("a node without a store says what to do instead", async (t) => {
  const prefix = await prefixFor(t, "yaml");
  const exported = await run(prefix, "export");
  assert.deepEqual([exported.code, exported.out], [1, ""]);
  assert.match(exported.err, /this node has no store: its configuration is the file .*apisix\.yaml/);
  const api = await prefixFor(t, "api");
  assert.match((await run(api, "import", write(api, { routes: [] }))).err, /PUT \/apisix\/admin\/configs/);
});

test("--seed fills a store once: what is deleted later stays deleted", async (t) => {
  const origin = await startOrigin(t);
  const given = await ports();
  const prefix = await prefixFor(t, "embedded", given);
  const seed = join(prefix, write(prefix, { routes: [{ id: "first", ...routeTo(origin.node) }] }, "seed.yaml"));
  const options = { args: ["--seed", seed] };

  const bad = join(prefix, write(prefix, { routes: [{ id: 1, uri: 5 }] }, "bad.yaml"));
  const refused = await run(prefix, "start", "--seed", bad);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /bad\.yaml:3: routes\[0\]\.uri: wrong type/);

  const gateway = runIn(prefix, given, options);
  t.after(() => gateway.close());
  await gateway.until(200);
  assert.match(gateway.output, /first start: 1 resources of .*seed\.yaml were imported into .*turnpike\.db/);
  assert.equal((await gateway.get("/")).status, 200);
  assert.equal((await gateway.admin("DELETE", "/routes/first")).status, 200);
  gateway.child.kill("SIGTERM");
  assert.equal(await gateway.exited, 0);
  const again = runIn(prefix, given, options);
  t.after(() => again.close());
  await again.until(200);
  assert.equal((await again.get("/")).status, 404);
  assert.doesNotMatch(again.output, /first start/);
});

test("from the embedded store to etcd and back: nothing is lost", async (t) => {
  const etcd = await startEtcd(t);
  const embedded = await prefixFor(t, "embedded");
  const shared = await prefixFor(t, { etcd: { host: etcd.hosts } });
  const file = write(embedded, {
    routes: [{ id: 1, uri: "/a", upstream_id: "u" }],
    upstreams: [{ id: "u", nodes: { "127.0.0.1:80": 1 } }],
    consumers: [{ username: "jack" }, { id: "jack/credentials/one", plugins: keyAuth("k") }],
  });
  assert.equal((await run(embedded, "import", file)).code, 0);
  const before = await run(embedded, "export");
  writeFileSync(join(shared, "moved.yaml"), before.out);
  const moved = await run(shared, "import", "moved.yaml", "--replace");
  assert.equal(moved.code, 0, moved.err);
  assert.match(moved.out, /4 created, 0 changed, 0 deleted, 0 unchanged/);
  const after = await run(shared, "export");
  const body = (text: string): string => text.slice(text.indexOf("\n"));
  assert.equal(body(after.out), body(before.out));
  assert.match(
    await etcd.ctl("get", "--prefix", "/apisix/consumers/jack"),
    /\/apisix\/consumers\/jack\/credentials\/one/,
  );
  const empty = await run(shared, "import", write(shared, { routes: [] }), "--replace");
  assert.match(empty.out, /^deleted routes\/1\n[^]*0 created, 0 changed, 4 deleted/);
  assert.equal(existsSync(join(shared, "data")), false);
});

test("an export that does not fit into a pipe comes whole, and who stops reading ends it", async (t) => {
  const prefix = await prefixFor(t, "embedded");
  const desc = "x".repeat(250);
  const routes = Array.from({ length: 400 }, (_, n) => ({ id: `r${n}`, desc, ...routeTo("127.0.0.1:9", `/${n}`) }));
  assert.equal((await run(prefix, "import", write(prefix, { routes }))).code, 0);
  const { code, out } = await run(prefix, "export");
  assert.equal(code, 0);
  assert.equal(out.match(/^ {2}- id: r\d+$/gm)?.length, 400);
  assert.match(out, /\n#END\n$/);
  const stopped = spawn(turnpike, ["export", "-p", prefix], { stdio: ["ignore", "pipe", "pipe"] });
  let err = "";
  stopped.stderr.on("data", (chunk) => (err += String(chunk)));
  stopped.stdout.once("data", () => stopped.stdout.destroy());
  await once(stopped, "close");
  assert.equal(err, "");
});

import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { certificate } from "./support/certificate.ts";
import { makePrefix, routeTo, runIn, startGateway, type Gateway } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";
import { startVault, type VaultServer } from "./support/vault.ts";

// Secrets through the front door: references to a stand-in Vault and to the environment, encryption at rest.

const SECRET = "hunter2-from-vault";
const reference = "$secret://vault/1/jack/auth-key";

const manager = (vault: VaultServer, fields: object = {}): object => ({
  id: "vault/1",
  uri: vault.uri,
  prefix: "kv/apisix",
  token: "root",
  ...fields,
});

const consumer = (key: string, username = "jack"): object => ({ username, plugins: { "key-auth": { key } } });

/** The status of a request with that key. */
async function knock(gateway: Gateway, key: string): Promise<number> {
  return (await gateway.get("/a", { headers: { apikey: key } })).status;
}

/** Asks until the key opens, or does not any more. */
async function untilKnock(gateway: Gateway, key: string, status: number): Promise<void> {
  for (let tries = 0; (await knock(gateway, key)) !== status; tries++) {
    assert.ok(tries < 2_000, `never ${status}`);
    await setTimeout(10);
  }
}

interface Rejected {
  readonly kind: string;
  readonly id: string;
  readonly error: string;
  readonly serving: string;
}

async function rejectedOf(gateway: Gateway): Promise<readonly Rejected[]> {
  return (await gateway.status("/status/config")).json().rejected as Rejected[];
}

/** Nothing that can be looked at holds any of the texts. */
async function assertHidden(gateway: Gateway, texts: readonly string[]): Promise<void> {
  const pages = ["/status/config", "/status/workers", "/status/ready?verbose"].map((path) => gateway.status(path));
  const shown = (await Promise.all(pages)).map(({ text }) => text);
  shown.push(gateway.errorLog, gateway.output);
  for (const text of texts) for (const page of shown) assert.ok(!page.includes(text), page);
}

test("consumers' keys from Vault and from the environment, in a standalone file", async (t) => {
  const origin = await startOrigin(t);
  const vault = await startVault(t, { tls: true });
  vault.write("kv/apisix/jack", { "auth-key": SECRET });
  const content = {
    routes: [routeTo(origin.node, "/a", { plugins: { "key-auth": {} } })],
    consumers: [consumer(reference), consumer("$env://TURNPIKE_TEST_KEY", "jill")],
    secrets: [manager(vault, { token: "$ENV://TURNPIKE_TEST_TOKEN" })],
  };
  const env = { TURNPIKE_TEST_KEY: "hunter3-from-env", TURNPIKE_TEST_TOKEN: "root" };
  // Vault's certificate is judged by what the node trusts.
  const files = { "conf/vault.crt": certificate };
  const config = { apisix: { ssl: { ssl_trusted_certificate: "conf/vault.crt" } } };
  const gateway = await startGateway(t, { workers: 2, standalone: content, env, files, config });
  await gateway.until(200);
  assert.deepEqual(await rejectedOf(gateway), []);
  assert.equal(await knock(gateway, SECRET), 200, "ready means that the secrets are there");
  assert.equal(await knock(gateway, "hunter3-from-env"), 200);
  for (const wrong of ["", "root", reference, "$env://TURNPIKE_TEST_KEY"]) {
    assert.equal(await knock(gateway, wrong), 401, "a reference is nobody's key");
  }
  assert.equal(vault.requests.length, 1);
  await assertHidden(gateway, [SECRET, "hunter3"]);
});

test("what cannot be resolved is not served and says why; the last good version is, and it is tried again", async (t) => {
  const origin = await startOrigin(t);
  const vault = await startVault(t);
  const content = (key: string, more: readonly object[] = []): object => ({
    routes: [routeTo(origin.node, "/a", { plugins: { "key-auth": {} } })],
    consumers: [consumer(key), ...more],
    secrets: [manager(vault)],
  });
  const gateway = await startGateway(t, { workers: 1, standalone: content("in-the-clear") });
  await gateway.until(200);
  const revision = await gateway.revision();
  gateway.writeStandalone(content(reference, [consumer("$env://TURNPIKE_TEST_NONE", "jill")]));
  await gateway.applied(revision + 1);
  const rejected = (await rejectedOf(gateway)).map(({ kind, id, serving }) => ({ kind, id, serving }));
  assert.deepEqual(
    rejected.toSorted((a, b) => a.id.localeCompare(b.id)),
    [
      { kind: "consumers", id: "jack", serving: "previous" },
      { kind: "consumers", id: "jill", serving: "nothing" },
    ],
  );
  const reasons = (await rejectedOf(gateway)).map(({ error }) => error).join("\n");
  assert.match(reasons, /\$secret:\/\/vault\/1\/jack\/auth-key cannot be resolved: vault\/1: it answered 404/);
  assert.match(reasons, /\$env:\/\/TURNPIKE_TEST_NONE cannot be resolved: environment variable .* is not set/);
  assert.equal(await knock(gateway, "in-the-clear"), 200);
  assert.equal(await knock(gateway, reference), 401);
  vault.write("kv/apisix/jack", { "auth-key": SECRET });
  await untilKnock(gateway, SECRET, 200);
  assert.equal(await knock(gateway, "in-the-clear"), 401);
  assert.deepEqual(
    (await rejectedOf(gateway)).map(({ id }) => id),
    ["jill"],
  );
  await assertHidden(gateway, [SECRET]);
});

test("a manager that is changed is asked anew; one that goes takes nothing down", async (t) => {
  const origin = await startOrigin(t);
  const vault = await startVault(t);
  vault.write("kv/apisix/jack", { "auth-key": "old-value" });
  vault.write("kv/other/jack", { "auth-key": "new-value" });
  const content = (secrets: readonly object[]): object => ({
    routes: [routeTo(origin.node, "/a", { plugins: { "key-auth": {} } })],
    consumers: [consumer(reference)],
    secrets,
  });
  const gateway = await startGateway(t, { workers: 1, standalone: content([manager(vault)]) });
  await gateway.until(200);
  assert.equal(await knock(gateway, "old-value"), 200);
  gateway.writeStandalone(content([manager(vault, { prefix: "kv/other" })]));
  await untilKnock(gateway, "new-value", 200);
  assert.equal(await knock(gateway, "old-value"), 401);
  const revision = await gateway.revision();
  gateway.writeStandalone(content([]));
  await gateway.applied(revision + 1);
  const [rejected] = await rejectedOf(gateway);
  assert.match(rejected?.error ?? "", /secret manager vault\/1 does not exist/);
  assert.equal(await knock(gateway, "new-value"), 200, "the last good version serves");
});

test("a Vault that hangs delays the start, and is no reason for not being ready", async (t) => {
  const origin = await startOrigin(t);
  const vault = await startVault(t);
  vault.behave(() => undefined);
  const content = {
    routes: [routeTo(origin.node, "/a", { plugins: { "key-auth": {} } }), routeTo(origin.node, "/open")],
    consumers: [consumer(reference)],
    secrets: [manager(vault)],
  };
  const gateway = await startGateway(t, { workers: 1, standalone: content });
  await gateway.until(200);
  assert.equal((await gateway.get("/open")).status, 200);
  assert.match((await rejectedOf(gateway))[0]?.error ?? "", /no answer within 5 s/);
  vault.write("kv/apisix/jack", { "auth-key": SECRET });
  vault.behave(null);
  await untilKnock(gateway, SECRET, 200);
});

test("what the Admin API stores is encrypted, and readable after a restart with a rotated keyring", async (t) => {
  const origin = await startOrigin(t);
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
  const keyring = (keys: readonly string[]): object => ({ data_encryption: { keyring: keys } });
  const old = "0123456789abcdef";
  const prefix = makePrefix(ports, { provider: "embedded", config: { apisix: keyring([old]) } });
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  const first = runIn(prefix, ports);
  t.after(() => first.child.kill("SIGKILL"));
  await first.until(200);
  await first.admin("PUT", "/routes/1", routeTo(origin.node, "/a", { plugins: { "key-auth": {} } }));
  const written = await first.admin("PUT", "/consumers", consumer("hunter4"));
  assert.equal(written.status, 201, written.text);
  assert.doesNotMatch(written.text, /hunter4/);
  assert.match((await first.admin("GET", "/consumers/jack")).text, /hunter4/);
  await first.applied(Number(written.headers.get("x-turnpike-revision")));
  assert.equal(await knock(first, "hunter4"), 200);
  first.child.kill("SIGTERM");
  await first.exited;
  for (const text of storedTexts(prefix)) assert.doesNotMatch(text, /hunter4/);
  first.rewriteConfig((text) => text.replace(new RegExp(`^( *- )${old}`, "m"), `$1fedcba9876543210\n$&`));
  assert.match(readFileSync(join(prefix, "conf", "config.yaml"), "utf8"), /fedcba9876543210/);
  const second = runIn(prefix, ports);
  t.after(() => second.child.kill("SIGKILL"));
  await second.until(200);
  assert.equal(await knock(second, "hunter4"), 200);
});

/** Every text of every table of the embedded store. */
function storedTexts(prefix: string): readonly string[] {
  const file = join(prefix, "data", "turnpike.db");
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    const rows = tables.flatMap(({ name }) => database.prepare(`SELECT * FROM "${String(name)}"`).all());
    return [...rows.map((row) => JSON.stringify(row)), readFileSync(file, "latin1")];
  } finally {
    database.close();
  }
}

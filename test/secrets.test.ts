import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { createSecretResolver, type ResolverOptions, type SecretResolver } from "../src/control/secrets/resolver.ts";
import { createVaultClient, type VaultClient, type VaultManager } from "../src/control/secrets/vault.ts";
import { buildKeyring } from "../src/lib/keyring.ts";
import type { SecretResource } from "../src/schema/secret.ts";
import { parseYaml } from "../src/source/yaml-text.ts";
import { collectReferences, substituteReferences } from "../src/store/secret-references.ts";
import { certificate } from "./support/certificate.ts";
import { startVault, type VaultServer } from "./support/vault.ts";

// References to secrets, read from a stand-in Vault over real sockets.

const env = { TOKEN: "root", JACK: "abc", JSON: '{"key":"def"}' };

function createClient(t: TestContext, options: { timeoutMs?: number; ca?: () => string[] } = {}): VaultClient {
  const client = createVaultClient({ env, timeoutMs: 5_000, ca: () => [], ...options });
  t.after(() => client.close());
  return client;
}

const managerOf = (vault: Pick<VaultServer, "uri">, fields: object = {}): VaultManager => ({
  id: "vault/1",
  uri: vault.uri,
  prefix: "kv/apisix",
  token: "root",
  ...fields,
});

test("Vault is asked as its API wants it: engines of both versions, token, namespace", async (t) => {
  const vault = await startVault(t, { namespace: "team" });
  const client = createClient(t);
  vault.write("kv/apisix/jack", { "auth-key": "value" });
  vault.writeVersion2("secret", "apisix/jill", { "auth-key": "two", data: "x" });
  const version1 = managerOf(vault, { namespace: "team" });
  assert.deepEqual(await client.read(version1, ["jack"]), { fields: { "auth-key": "value" } });
  const version2 = { ...version1, prefix: "/secret//data/apisix/" };
  assert.deepEqual(await client.read(version2, ["jill"]), { fields: { "auth-key": "two", data: "x" } });
  assert.deepEqual(
    vault.requests.map(({ method, url }) => `${method} ${url}`),
    ["GET /v1/kv/apisix/jack", "GET /v1/secret/data/apisix/jill"],
  );
  assert.equal(vault.requests[0]?.headers["x-vault-token"], "root");
  assert.equal(vault.requests[0]?.headers["x-vault-namespace"], "team");
  const byEnvironment = { ...version1, token: "$env://TOKEN" };
  assert.deepEqual(await client.read(byEnvironment, ["jack"]), { fields: { "auth-key": "value" } });
  vault.remove("secret/data/apisix/jill");
  const nothing = { error: "it answered 404: there is nothing at this path", gone: true };
  assert.deepEqual(await client.read(version2, ["jill"]), nothing, "a deleted version is nothing");
  assert.deepEqual(await client.read(version1, ["none"]), nothing);
  assert.deepEqual(await client.read(managerOf(vault), ["jack"]), nothing, "another namespace");
});

test("nothing in a path becomes a slash, a query or a step up", async (t) => {
  const vault = await startVault(t);
  const client = createClient(t);
  await client.read(managerOf({ uri: `${vault.uri}/proxy/` }), ["a b?x=1#f", "%2e%2e", "ü"]);
  assert.equal(vault.requests[0]?.url, "/proxy/v1/kv/apisix/a%20b%3Fx%3D1%23f/%252e%252e/%C3%BC");
});

test("what keeps Vault from being read is told without token or answer", async (t) => {
  const vault = await startVault(t);
  const client = createClient(t);
  const hasty = createClient(t, { timeoutMs: 200 });
  const read = async (fields: object, through = client): Promise<string> => {
    const answer = await through.read(managerOf(vault, fields), ["jack"]);
    assert.ok("error" in answer, JSON.stringify(answer));
    assert.equal(answer.gone, false);
    assert.doesNotMatch(answer.error, /hunter2/);
    return answer.error;
  };
  assert.match(await read({ token: "hunter2" }), /^it answered 403: the token is wrong/);
  assert.match(await read({ token: "hunter2\n" }), /^it cannot be asked: ERR_INVALID_CHAR$/);
  assert.match(await read({ token: "$env://HUNTER" }), /token is not known: environment variable HUNTER is not set/);
  assert.match(await read({ token: "$secret://vault/2/a/b" }), /token may refer to \$env/);
  assert.match(await read({ token: "$env://" }), /cannot be read: expected/);
  assert.match(await read({ uri: "ftp://127.0.0.1" }), /must begin with http/);
  assert.match(await read({ uri: "http://[" }), /no URL/);
  assert.match(await read({ prefix: "kv/../sys" }), /prefix has a part/);
  assert.match(await read({ prefix: "kv/\ud800" }), /prefix is no text of Unicode/);
  assert.match(await read({ uri: "http://127.0.0.1:1" }), /^it cannot be reached: ECONNREFUSED$/);

  const answers: readonly (readonly [status: number, body: string, reason: RegExp])[] = [
    [503, "hunter2", /^it answered 503: sealed/],
    [302, "", /^it answered 302$/],
    [500, "hunter2", /^it answered 500$/],
    [200, "hunter2", /no JSON/],
    [200, "null", /no data/],
    [200, '{"data":["hunter2"]}', /no data/],
    [200, `{"data":{"a":"${"x".repeat(3_000_000)}"}}`, /too large/],
  ];
  for (const [status, body, reason] of answers) {
    vault.behave((response) => response.writeHead(status, { Location: "http://hunter2" }).end(body));
    assert.match(await read({}), reason);
  }
  vault.behave(
    (response) => void response.writeHead(200, { "Content-Length": 100 }).write("{", () => response.destroy()),
  );
  assert.match(await read({}), /broke off/);
  vault.behave((response) => void response.writeHead(200).write("{"));
  assert.equal(await read({}, hasty), "no answer within 0.2 s");
  vault.behave(() => undefined);
  assert.equal(await read({}, hasty), "no answer within 0.2 s");
});

test("an idle connection that is closed as it is used again is no failure", async (t) => {
  const vault = await startVault(t);
  const client = createClient(t);
  vault.write("kv/apisix/jack", { k: "v" });
  assert.deepEqual(await client.read(managerOf(vault), ["jack"]), { fields: { k: "v" } });
  vault.behave((_response, request) => {
    vault.behave(null);
    request.socket.destroy();
  });
  assert.deepEqual(await client.read(managerOf(vault), ["jack"]), { fields: { k: "v" } });
  assert.equal(vault.requests.length, 3);
  vault.behave((_response, request) => void request.socket.destroy());
  const answer = await client.read(managerOf(vault), ["jack"]);
  assert.deepEqual(answer, { error: "it cannot be reached: ECONNRESET", gone: false });
});

test("a peer that is no Vault at all", async (t) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.end("SSH-2.0-OpenSSH_9.9\r\n");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const answer = await createClient(t).read(managerOf({ uri }), ["jack"]);
  assert.match("error" in answer ? answer.error : "", /^it cannot be reached: HPE_/);
});

test("Vault's certificate is checked unless ssl_verify is false", async (t) => {
  const vault = await startVault(t, { tls: true });
  vault.write("kv/apisix/jack", { k: "v" });
  const manager = managerOf(vault);
  const refused = await createClient(t).read(manager, ["jack"]);
  assert.match("error" in refused ? refused.error : "", /^it cannot be reached: DEPTH_ZERO_SELF_SIGNED_CERT$/);
  assert.deepEqual(await createClient(t).read({ ...manager, ssl_verify: false }, ["jack"]), { fields: { k: "v" } });
  assert.deepEqual(await createClient(t, { ca: () => [certificate] }).read(manager, ["jack"]), { fields: { k: "v" } });
});

/** A resolver whose changes and warnings can be waited for. */
function createResolver(
  t: TestContext,
  options: Partial<ResolverOptions> = {},
): {
  readonly resolver: SecretResolver;
  readonly changes: readonly (readonly string[])[];
  readonly warnings: readonly string[];
  /** The next change. */
  changed(): Promise<readonly string[]>;
} {
  const changes: (readonly string[])[] = [];
  const warnings: string[] = [];
  let next = Promise.withResolvers<readonly string[]>();
  const resolver = createSecretResolver({
    env,
    vault: createClient(t),
    warn: (message) => void warnings.push(message),
    onChange(references) {
      changes.push(references);
      next.resolve(references);
      next = Promise.withResolvers();
    },
    ...options,
  });
  t.after(() => resolver.close());
  return { resolver, changes, warnings, changed: () => next.promise };
}

const managers = (vault: VaultServer, fields: object = {}): ReadonlyMap<string, SecretResource> =>
  new Map([["vault/1", managerOf(vault, fields)]]);

const fresh = (value: string): object => ({ value, stale: null });
const jack = "$secret://vault/1/jack/key";

test("prepare reads each path once, whatever asks for it how often; lookup answers at once", async (t) => {
  const vault = await startVault(t);
  const { resolver } = createResolver(t);
  vault.write("kv/apisix/jack", { key: "value", other: 5 });
  resolver.setManagers(managers(vault));
  assert.deepEqual(resolver.lookup(jack), { error: "vault/1 was not asked yet" });
  const references = [jack, "$secret://vault/1/jack/other", "$SECRET://vault/1/jack/none", "$env://JACK", "$env://X"];
  await Promise.all([resolver.prepare(references), resolver.prepare([jack]), resolver.prepare(references)]);
  assert.equal(vault.requests.length, 1);
  const answers = references.map((reference) => resolver.lookup(reference));
  assert.deepEqual(answers, [
    fresh("value"),
    fresh("5"),
    { error: "vault/1/jack has no field none" },
    fresh("abc"),
    { error: "environment variable X is not set" },
  ]);
  await resolver.prepare(references);
  assert.equal(vault.requests.length, 1, "fresh values are not read again");
  assert.deepEqual(resolver.lookup("$env://JSON/key"), fresh("def"));
});

test("references that nothing can answer", async (t) => {
  const vault = await startVault(t);
  const { resolver } = createResolver(t, { maxSecrets: 2 });
  resolver.setManagers(managers(vault));
  const reasons: readonly (readonly [reference: string, reason: RegExp])[] = [
    ["$secret://aws/1/jack/key", /^secret manager aws is not available in this version$/],
    ["$secret://gcp/1/jack", /^secret manager gcp is not available in this version$/],
    ["$secret://keychain/1/jack/key", /^there is no secret manager keychain$/],
    ["$secret://vault/2/jack/key", /^secret manager vault\/2 does not exist$/],
    ["$secret://vault/1/jack", /^expected \$secret:\/\/vault/],
    ["$secret://vault/1/../key", /not allowed/],
    ["$secret://vault/1/a/key", /^vault\/1: it answered 404/],
    ["$secret://vault/1/b/key", /^vault\/1: it answered 404/],
    ["$secret://vault/1/c/key", /^more than 2 secrets are referred to$/],
  ];
  await resolver.prepare(reasons.map(([reference]) => reference));
  for (const [reference, reason] of reasons) {
    const answer = resolver.lookup(reference);
    assert.match("error" in answer ? answer.error : "", reason, reference);
  }
  assert.equal(vault.requests.length, 2);
  resolver.retain(["$secret://vault/1/b/key", "$secret://vault/1/c/key"]);
  await resolver.prepare(["$secret://vault/1/c/key"]);
  assert.equal(vault.requests.length, 3, "what is retained no more makes room");
});

test("a value that changes in Vault is found out and told, once", async (t) => {
  const vault = await startVault(t);
  const { resolver, changed, changes, warnings } = createResolver(t, { ttlMs: 20 });
  vault.write("kv/apisix/jack", { key: "one", other: "same" });
  vault.write("kv/apisix/jill", { key: "jill" });
  resolver.setManagers(managers(vault));
  const references = [jack, "$secret://vault/1/jack/other", "$secret://vault/1/jill/key"];
  await resolver.prepare(references);
  for (const reference of references) resolver.lookup(reference);
  const change = changed();
  vault.write("kv/apisix/jack", { key: "two", other: "same" });
  assert.deepEqual(await change, [jack]);
  assert.deepEqual(resolver.lookup(jack), fresh("two"));
  const gone = changed();
  vault.remove("kv/apisix/jack");
  assert.deepEqual([...(await gone)].sort(), [jack, "$secret://vault/1/jack/other"]);
  const answer = resolver.lookup(jack);
  assert.match("error" in answer ? answer.error : "", /404/);
  assert.equal(changes.length, 2);
  assert.deepEqual(warnings, []);
});

test("while Vault is away the last value stays; what never had one is tried again", async (t) => {
  const vault = await startVault(t);
  const warned = Promise.withResolvers<string>();
  const retryMs = { first: 20, most: 40 };
  const { resolver, changed, changes } = createResolver(t, { ttlMs: 20, retryMs, warn: warned.resolve });
  vault.write("kv/apisix/jack", { key: "one" });
  vault.write("kv/apisix/late", { key: "late" });
  resolver.setManagers(managers(vault));
  await resolver.prepare([jack]);
  assert.deepEqual(resolver.lookup(jack), fresh("one"));

  vault.behave((response) => response.writeHead(503).end());
  const message = await warned.promise;
  assert.equal(
    message,
    "vault/1/jack could not be read again: it answered 503: sealed or in maintenance; its last value is used",
  );
  const reason = "it answered 503: sealed or in maintenance";
  assert.deepEqual(resolver.lookup(jack), { value: "one", stale: reason });
  const late = "$secret://vault/1/late/key";
  await resolver.prepare([jack, late]);
  assert.deepEqual(resolver.lookup(late), { error: `vault/1: ${reason}` });
  assert.deepEqual(changes, [], "a value that has become stale is no change");

  const back = changed();
  vault.behave(null);
  assert.deepEqual(await back, [late]);
  assert.deepEqual(resolver.lookup(late), fresh("late"));
});

test("failures are kept for a while: preparing again does not ask again", async (t) => {
  const vault = await startVault(t);
  const { resolver } = createResolver(t, { retryMs: { first: 60_000, most: 60_000 } });
  resolver.setManagers(managers(vault));
  await resolver.prepare([jack]);
  await resolver.prepare([jack]);
  assert.equal(vault.requests.length, 1);
});

test("prepare ends in time; what comes later is told", async (t) => {
  const vault = await startVault(t);
  const { resolver, changed } = createResolver(t, { prepareMs: 20 });
  vault.write("kv/apisix/jack", { key: "one" });
  let answer = (): void => undefined;
  vault.behave((response) => {
    answer = () => void response.end('{"data":{"key":"slow"}}');
  });
  resolver.setManagers(managers(vault));
  await resolver.prepare([jack]);
  assert.deepEqual(resolver.lookup(jack), { error: "no answer of vault/1 yet" });
  const late = changed();
  while (vault.requests.length === 0) await new Promise(setImmediate);
  answer();
  assert.deepEqual(await late, [jack]);
  assert.deepEqual(resolver.lookup(jack), fresh("slow"));
});

test("a changed manager is asked anew, and an answer of the old one is not believed", async (t) => {
  const old = await startVault(t);
  const vault = await startVault(t, { token: "new" });
  const { resolver } = createResolver(t);
  const asked = Promise.withResolvers<() => void>();
  old.behave((response) => asked.resolve(() => void response.end('{"data":{"key":"old"}}')));
  vault.write("kv/apisix/jack", { key: "new" });
  resolver.setManagers(managers(old));
  const first = resolver.prepare([jack]);
  const answer = await asked.promise;
  resolver.setManagers(managers(vault, { token: "new" }));
  await resolver.prepare([jack]);
  assert.deepEqual(resolver.lookup(jack), fresh("new"));
  answer();
  await first;
  assert.deepEqual(resolver.lookup(jack), fresh("new"));
  resolver.setManagers(managers(vault, { token: "wrong" }));
  await resolver.prepare([jack]);
  assert.match(JSON.stringify(resolver.lookup(jack)), /403/, "the value read with the old token is not used");
  resolver.setManagers(new Map());
  assert.deepEqual(resolver.lookup(jack), { error: "secret manager vault/1 does not exist" });
});

test("what a changed manager answers is told when it changes, not because the old one answered otherwise", async (t) => {
  const vault = await startVault(t);
  const { resolver, changes, changed } = createResolver(t, { ttlMs: 200 });
  vault.write("kv/apisix/jack", { key: "old" });
  vault.write("kv/other/jack", { key: "new" });
  resolver.setManagers(managers(vault));
  await resolver.prepare([jack]);
  assert.deepEqual(resolver.lookup(jack), fresh("old"));
  resolver.setManagers(managers(vault, { prefix: "kv/other" }));
  await resolver.prepare([jack]);
  assert.deepEqual(resolver.lookup(jack), fresh("new"));
  vault.write("kv/other/jack", { key: "newer" });
  await changed();
  assert.deepEqual(resolver.lookup(jack), fresh("newer"));
  assert.deepEqual(changes, [[jack]]);
});

test("many secrets are read with few connections; a Vault that hangs delays no other", async (t) => {
  const hanging = await startVault(t);
  const vault = await startVault(t);
  hanging.behave(() => undefined);
  const { resolver } = createResolver(t, { prepareMs: 60_000 });
  const references = Array.from({ length: 200 }, (_, index) => {
    vault.write(`kv/apisix/user${index}`, { key: `value ${index}` });
    return `$secret://vault/1/user${index}/key`;
  });
  resolver.setManagers(new Map([...managers(vault), ["vault/2", managerOf(hanging)]]));
  void resolver.prepare(references.map((reference) => reference.replace("vault/1", "vault/2")));
  await resolver.prepare(references);
  for (const [index, reference] of references.entries()) {
    assert.deepEqual(resolver.lookup(reference), fresh(`value ${index}`));
  }
  assert.equal(vault.requests.length, 200);
  assert.ok(vault.open().most <= 16, `${vault.open().most} at once`);
});

test("the examples of docs/secrets.md do what the page says", async (t) => {
  const page = readFileSync(new URL("../docs/secrets.md", import.meta.url), "utf8");
  const [config = "", standalone = ""] = Array.from(page.matchAll(/```yaml\n(.*?)```/gs), ([, block = ""]) => block);
  const { apisix } = parseYaml("config.yaml", config) as { apisix: { data_encryption: { keyring: string[] } } };
  const keyring = buildKeyring(apisix.data_encryption.keyring);
  assert.equal(keyring.decrypt("QStWcXKl6rz1RvB8hCaCkQ=="), "golden", "the keyring goes on reading APISIX's defaults");

  const vault = await startVault(t);
  vault.write("kv/apisix/jack", { "auth-key": "from vault" });
  const { secrets, consumers } = parseYaml("apisix.yaml", standalone.replace("http://127.0.0.1:8200", vault.uri)) as {
    readonly secrets: readonly SecretResource[];
    readonly consumers: readonly { readonly plugins: { readonly "key-auth": { readonly key: string } } }[];
  };
  const variables = { VAULT_TOKEN: "root", JILL_KEY: "from env", KEYS: '{"joe":"from JSON"}' };
  const client = createVaultClient({ env: variables, timeoutMs: 5_000, ca: () => [] });
  t.after(() => client.close());
  const { resolver } = createResolver(t, { env: variables, vault: client });
  resolver.setManagers(new Map(secrets.map((secret) => [secret.id, secret])));
  await resolver.prepare(consumers.flatMap((consumer) => [...collectReferences("consumers", consumer)]));
  const resolved = consumers.map((consumer) =>
    substituteReferences("consumers", consumer, (one) => resolver.lookup(one)),
  );
  assert.deepEqual(
    resolved.map(({ value }) => value.plugins["key-auth"].key),
    ["from vault", "from env", "from JSON"],
  );
  assert.deepEqual(
    vault.requests.map(({ method, url }) => `${method} ${url}`),
    ["GET /v1/kv/apisix/jack"],
  );

  resolver.setManagers(new Map(secrets.map((secret) => [secret.id, { ...secret, token: "wrong" }])));
  await resolver.prepare(["$secret://vault/1/jack/auth-key"]);
  const [fault] = substituteReferences("consumers", consumers[0], (one) => resolver.lookup(one)).faults;
  const message = fault?.message ?? "no fault";
  assert.ok(page.includes(message), message);
});

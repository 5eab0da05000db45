import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { EtcdSettings, EtcdTlsSettings } from "../src/settings/settings.ts";
import { createEtcdStore, type EtcdStore } from "../src/source/etcd/etcd-store.ts";
import { certificate, privateKey } from "./support/certificate.ts";
import { startEtcd } from "./support/etcd.ts";
import { etcdSettings } from "./support/etcd-settings.ts";
import { startGateway } from "./support/gateway.ts";

/** The first thing that the source says: how many keys there are, or why it cannot tell. */
async function firstWord(t: TestContext, settings: EtcdSettings): Promise<{ store: EtcdStore; word: number | string }> {
  const say = (): void => undefined;
  const store = createEtcdStore(settings, { info: say, warn: say, error: say });
  t.after(() => store.close());
  const word = await new Promise<number | string>((resolve) => {
    store.start({
      document: say,
      snapshot: ({ entries }) => resolve(entries.length),
      step: say,
      failed: resolve,
      recovered: say,
    });
  });
  return { store, word };
}

function filesIn(t: TestContext, contents: Readonly<Record<string, string>>): (name: string) => string {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-certs-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(contents)) writeFileSync(join(directory, name), content);
  return (name) => join(directory, name);
}

test("a login, and a token that expires again and again", async (t) => {
  const { privateKey: key, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const file = filesIn(t, { "jwt.key": key, "jwt.pub": publicKey });
  const token = `jwt,pub-key=${file("jwt.pub")},priv-key=${file("jwt.key")},sign-method=RS256,ttl=1s`;
  const etcd = await startEtcd(t, { flags: [`--auth-token=${token}`] });
  await etcd.put("/apisix/routes/1", "{}");
  await etcd.enableAuth("s3cret-one");

  const login = { user: "root", password: "s3cret-one" };
  const good = await firstWord(t, etcdSettings(etcd.hosts, login));
  assert.equal(good.word, 1);
  for (let turn = 0; turn < 2; turn++) {
    // The token of before has expired.
    await sleep(1_500);
    assert.ok((await good.store.put("routes/2", `{"n":${turn}}`)).written);
  }

  const wrong = await firstWord(t, etcdSettings(etcd.hosts, { ...login, password: "s3cret-two" }));
  assert.match(String(wrong.word), /^etcd: .*login of root: .*authentication failed/);
  assert.doesNotMatch(String(wrong.word), /s3cret/);
  const none = await firstWord(t, etcdSettings(etcd.hosts));
  assert.match(String(none.word), /user name is empty/);

  const gateway = await startGateway(t, { provider: { etcd: { host: etcd.hosts, ...login } } });
  await gateway.until(200);
  await sleep(1_500);
  const revision = await etcd.put("/apisix/routes/1", { uri: "/1", upstream: { nodes: { "127.0.0.1:1": 1 } } });
  assert.equal((await gateway.status(`/status/fleet?revision=${revision}&rejected=ignore`)).status, 200);
  assert.doesNotMatch(gateway.errorLog, /s3cret/);
});

test("TLS: certificates are checked, on both sides where etcd asks for it", async (t) => {
  const file = filesIn(t, { "one.crt": certificate, "one.key": privateKey });
  const [cert, key] = [file("one.crt"), file("one.key")];
  const etcd = await startEtcd(t, { tls: { cert, key, ca: cert } });
  await etcd.put("/apisix/routes/1", "{}");
  const none: EtcdTlsSettings = { certFile: null, keyFile: null, caFile: null, verify: true, serverName: null };
  const client = { ...none, certFile: cert, keyFile: key };
  const word = async (tls: EtcdTlsSettings | null): Promise<number | string> =>
    (await firstWord(t, etcdSettings(etcd.hosts, { tls }))).word;

  assert.equal(await word({ ...client, caFile: cert }), 1);
  assert.equal(await word({ ...client, caFile: cert, serverName: "localhost" }), 1);
  assert.equal(await word({ ...client, verify: false }), 1);
  assert.match(String(await word(client)), /: self-signed certificate$/);
  assert.match(String(await word({ ...client, caFile: cert, serverName: "other.example" })), /altnames/);
  assert.match(String(await word({ ...none, caFile: cert })), /TLS: .*bad certificate$/);
  assert.match(String(await word({ ...client, certFile: "/nowhere/one.crt" })), /no such file/);
});

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { answerOcsp, makePair } from "../../tls/testing.ts";
import type { Staple } from "../../tls/certificate-index.ts";
import { readStapledCertificate } from "./stapled-certificate.ts";
import { Stapler } from "./stapler.ts";

const url = "http://127.0.0.1:1/ocsp";
const issuer = makePair({ name: "authority", authority: true });
const pair = makePair({ name: "a.test", issuer, responder: url });
const certificate = readStapledCertificate(pair.cert + issuer.cert);
const answers = {
  good: answerOcsp(certificate.request, { issuer, certificate: pair, status: "good" }),
  revoked: answerOcsp(certificate.request, { issuer, certificate: pair, status: "revoked" }),
} as const;
const order = { certificate, owner: "ssls/1", skipVerify: false, ttlMs: 3_600_000 };

/** A stapler whose responder answers what is asked of it, on a clock that stands still. */
function staplerOf(t: TestContext, say: () => keyof typeof answers | Error) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.now() });
  const published: Staple[] = [];
  const lines: string[] = [];
  let asked = 0;
  const log = (line: string): unknown => lines.push(line);
  const stapler = new Stapler({
    publish: (staples) => published.push(...staples),
    log: { warn: log, info: log },
    ask: (to, body) => {
      asked++;
      assert.deepEqual([to, body], [url, certificate.request]);
      const said = say();
      return said instanceof Error ? Promise.reject(said) : Promise.resolve(answers[said]);
    },
  });
  t.after(() => stapler.close());
  return { stapler, published, lines, asked: () => asked };
}

/** Lets time pass, and what it has started go on. */
async function pass(t: TestContext, ms: number): Promise<void> {
  t.mock.timers.tick(ms);
  await setImmediate();
}

test("a response is handed out and asked for again after cache_ttl", async (t) => {
  const { stapler, published, asked } = staplerOf(t, () => "good");
  stapler.set("1/0", order);
  await pass(t, 0);
  assert.deepEqual(published, stapler.staples());
  assert.equal(published[0]?.fingerprint, certificate.fingerprint);
  await pass(t, order.ttlMs - 1);
  assert.equal(asked(), 1);
  await pass(t, 1);
  assert.equal(asked(), 2);
  stapler.set("1/0", null);
  await pass(t, order.ttlMs);
  assert.deepEqual([asked(), stapler.staples().length], [2, 0]);
});

test("who does not answer is asked again after 1, 2, 4 s; the reason is said once", async (t) => {
  let down = true;
  const { stapler, published, lines, asked } = staplerOf(t, () => (down ? new Error("connect ECONNREFUSED") : "good"));
  stapler.set("1/0", order);
  await pass(t, 0);
  for (const seconds of [1, 2, 4]) await pass(t, seconds * 1_000);
  assert.deepEqual([asked(), published.length], [4, 0]);
  assert.deepEqual(lines, [`ssls/1: no OCSP response from ${url}: connect ECONNREFUSED`]);
  down = false;
  await pass(t, 8_000);
  assert.equal(published.length, 1);
  assert.match(lines.at(-1) ?? "", /answers again/);
});

test("what is revoked meanwhile is taken back", async (t) => {
  let now: keyof typeof answers = "good";
  const { stapler, published, lines } = staplerOf(t, () => now);
  stapler.set("1/0", order);
  await pass(t, 0);
  now = "revoked";
  await pass(t, order.ttlMs);
  assert.deepEqual([published.length, published.at(-1)?.response, stapler.staples().length], [2, null, 0]);
  assert.match(lines.at(-1) ?? "", /the certificate is revoked/);
});

test("a certificate has to name a responder, and its issuer to follow", () => {
  assert.throws(() => readStapledCertificate(pair.cert), /issuer does not follow/);
  assert.throws(() => readStapledCertificate(issuer.cert), /names no responder/);
  const secure = makePair({ name: "a.test", issuer, responder: "https://127.0.0.1/" });
  assert.throws(() => readStapledCertificate(secure.cert + issuer.cert), /over http$/);
});

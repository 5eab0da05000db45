import assert from "node:assert/strict";
import { constants, createHmac, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { buildConsumer, buildRequest, type FakeRequest } from "../plugin/fake-request.ts";
import type { Consumer } from "../plugin/context.ts";
import type { PluginEnv, Reply } from "../plugin/plugin.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { jwtAuth } from "./jwt-auth.ts";
import { parseToken } from "./jwt-token.ts";

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const secret = "a-secret-of-more-than-thirty-two-bytes";
const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec: Readonly<Record<string, KeyPair>> = Object.fromEntries(
  [
    ["ES256", "P-256"],
    ["ES384", "P-384"],
    ["ES512", "P-521"],
  ].map(([algorithm, namedCurve]) => [algorithm, generateKeyPairSync("ec", { namedCurve: namedCurve as string })]),
);
const ed = generateKeyPairSync("ed25519");

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");

type Sign = (signed: string) => Buffer;
const hs =
  (bits: number, key: string | Buffer = secret): Sign =>
  (text) =>
    createHmac(`sha${bits}`, key).update(text).digest();

function tokenOf(algorithm: unknown, claims: object, signer: Sign, header: object = {}): string {
  const signed = `${encode({ alg: algorithm, typ: "JWT", ...header })}.${encode(claims)}`;
  return `${signed}.${signer(signed).toString("base64url")}`;
}

function envOf(consumer: Consumer): PluginEnv {
  const guest = buildConsumer("guest");
  return buildEnv({
    byKey: (_, value) => (value === "ann-key" ? consumer : undefined),
    byName: (name) => (name === "guest" ? guest : undefined),
  });
}

const ann = (conf: object = {}): Consumer =>
  buildConsumer("ann", { key: "ann-key", algorithm: "HS256", secret, lifetime_grace_period: 0, ...conf });

/** What the plugin says to this token: `null` where it lets the request pass. */
function verdict(token: string, consumer: Consumer = ann(), conf: object = {}): string | null {
  const { rewrite } = compileChecked(jwtAuth, conf, envOf(consumer));
  const request = buildRequest({ headers: [["Authorization", `Bearer ${token}`]] });
  const answer = rewrite?.(request) as { readonly body: string } | undefined;
  assert.equal(request.consumer === null, answer !== undefined);
  return answer === undefined ? null : (JSON.parse(answer.body) as { message: string }).message;
}

const claims = { key: "ann-key" };

test("every algorithm is checked with its own key, and no other is taken", () => {
  const signers: Readonly<Record<string, readonly [conf: object, sign: Sign]>> = {
    HS256: [{}, hs(256)],
    HS384: [{}, hs(384)],
    HS512: [{}, hs(512)],
    RS256: [{ public_key: pem(rsa.publicKey) }, (text) => sign("sha256", Buffer.from(text), rsa.privateKey)],
    RS512: [{ public_key: pem(rsa.publicKey) }, (text) => sign("sha512", Buffer.from(text), rsa.privateKey)],
    PS384: [
      { public_key: pem(rsa.publicKey) },
      (text) =>
        sign("sha384", Buffer.from(text), {
          key: rsa.privateKey,
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
        }),
    ],
    EdDSA: [{ public_key: pem(ed.publicKey) }, (text) => sign(null, Buffer.from(text), ed.privateKey)],
    ...Object.fromEntries(
      Object.entries(ec).map(([algorithm, { publicKey, privateKey }]) => [
        algorithm,
        [
          { public_key: pem(publicKey) },
          (text: string) =>
            sign(`sha${algorithm.slice(2)}`, Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" }),
        ],
      ]),
    ),
  };
  for (const [algorithm, [conf, signer]] of Object.entries(signers)) {
    const consumer = ann({ algorithm, ...conf });
    assert.equal(verdict(tokenOf(algorithm, claims, signer), consumer), null, algorithm);
    for (const [other, [, otherSigner]] of Object.entries(signers)) {
      if (other === algorithm) continue;
      assert.equal(verdict(tokenOf(other, claims, otherSigner), consumer), "failed to verify jwt", other);
      assert.equal(verdict(tokenOf(algorithm, claims, otherSigner), consumer), "failed to verify jwt", other);
    }
  }
});

test("tokens that choose their own algorithm are refused", () => {
  const publicKey = pem(rsa.publicKey);
  const consumer = ann({ algorithm: "RS256", public_key: publicKey });
  // The public key as the secret of an HMAC: the classic confusion.
  assert.equal(verdict(tokenOf("HS256", claims, hs(256, publicKey)), consumer), "failed to verify jwt");
  for (const none of ["none", "None", "", null, undefined, ["HS256"]]) {
    assert.equal(verdict(tokenOf(none, claims, hs(256))), "failed to verify jwt");
    assert.equal(verdict(`${encode({ alg: none })}.${encode(claims)}.`), "JWT token invalid");
  }
  assert.equal(verdict(tokenOf("HS256", claims, hs(256), { crit: ["exp"] })), "failed to verify jwt");
});

test("a key that does not fit its algorithm lets nobody in", () => {
  const token = tokenOf("RS256", claims, (text) => sign("sha256", Buffer.from(text), rsa.privateKey));
  const misfits = ["nonsense", pem(ed.publicKey), pem((ec.ES256 as KeyPair).publicKey)];
  for (const key of misfits) {
    const warnings: string[] = [];
    const env = { ...envOf(ann({ algorithm: "RS256", public_key: key })), warn: (text: string) => warnings.push(text) };
    const { rewrite } = compileChecked(jwtAuth, {}, env);
    assert.ok(rewrite?.(buildRequest({ headers: [["Authorization", token]] })));
    assert.ok(rewrite?.(buildRequest({ headers: [["Authorization", token]] })));
    assert.match(warnings.join(), /^consumer with the key ann-key: public_key [^,]*$/, "once");
  }
  const p384 = ann({ algorithm: "ES256", public_key: pem((ec.ES384 as KeyPair).publicKey) });
  const signer: Sign = (text) => sign("sha256", Buffer.from(text), (ec.ES384 as KeyPair).privateKey);
  assert.equal(verdict(tokenOf("ES256", claims, signer), p384), "failed to verify jwt");
});

test("the claims: who, from when, until when", () => {
  const now = Math.floor(Date.now() / 1_000);
  const say = (extra: object, consumer = ann(), conf: object = {}): string | null =>
    verdict(tokenOf("HS256", { ...claims, ...extra }, hs(256)), consumer, conf);
  assert.equal(say({}), null);
  assert.equal(say({ exp: now + 60, nbf: now - 60 }), null);
  for (const extra of [{ exp: now - 1 }, { nbf: now + 60 }, { exp: String(now + 60) }, { exp: null }, { nbf: "1" }]) {
    assert.equal(say(extra), "failed to verify jwt", JSON.stringify(extra));
  }
  assert.equal(say({ exp: now - 10 }, ann({ lifetime_grace_period: 60 })), null);
  assert.equal(say({ nbf: now + 10 }, ann({ lifetime_grace_period: 60 })), null);
  assert.equal(say({}, ann(), { claims_to_verify: ["exp"] }), "failed to verify jwt");
  assert.equal(say({ exp: now + 60 }, ann(), { claims_to_verify: ["exp"] }), null);
  assert.equal(say({ key: "nobody" }), "Invalid user key in JWT token");
  assert.equal(say({ key: ["ann-key"] }), "Invalid user key in JWT token");
  assert.equal(say({ key: undefined }), "missing user key in JWT token");
  assert.equal(say({ iss: "ann-key", key: "x" }, ann(), { key_claim_name: "iss" }), null);
});

test("a secret in base64 is used as bytes", () => {
  const bytes = Buffer.from([0, 255, 1, 254, 2, 253]);
  const consumer = ann({ secret: bytes.toString("base64"), base64_secret: true });
  assert.equal(verdict(tokenOf("HS256", claims, hs(256, bytes)), consumer), null);
});

test("the token is found in a header, else in the query, else in a cookie, and hidden there", () => {
  const token = tokenOf("HS256", claims, hs(256));
  const conf = { header: "X-Jwt", query: "tok", cookie: "c", hide_credentials: true, store_in_ctx: true };
  const { rewrite } = compileChecked(jwtAuth, conf, envOf(ann()));
  const rows: readonly (readonly [FakeRequest, string, string | undefined])[] = [
    [buildRequest({ target: "/?tok=bad", headers: [["X-Jwt", token]] }), "/?tok=bad", undefined],
    [buildRequest({ target: `/?a=1&tok=${token}`, headers: [["Cookie", "c=bad"]] }), "/?a=1", "c=bad"],
    [buildRequest({ headers: [["Cookie", `x=1; c=${token}; y=2`]] }), "/", "x=1; y=2"],
    [buildRequest({ headers: [["Cookie", `c=${token}`]] }), "/", undefined],
  ];
  for (const [request, target, cookie] of rows) {
    assert.equal(rewrite?.(request), undefined);
    assert.equal(request.upstream.target, target);
    assert.equal(request.upstream.header("x-jwt"), undefined);
    assert.equal(request.upstream.header("cookie"), cookie);
    assert.deepEqual(request.values.get("jwt_auth_payload"), claims);
  }
  const refused = rewrite?.(buildRequest()) as Reply | undefined;
  assert.deepEqual(refused?.headers, [["WWW-Authenticate", 'Bearer realm="jwt"']]);
});

test("anonymous consumers", () => {
  const { rewrite } = compileChecked(jwtAuth, { anonymous_consumer: "guest" }, envOf(ann()));
  const request = buildRequest({ headers: [["Authorization", "x.y.z"]] });
  assert.equal(rewrite?.(request), undefined);
  assert.equal(request.consumer?.username, "guest");
});

test("no text makes the parser throw, and no changed token passes", () => {
  const good = tokenOf("HS256", claims, hs(256));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.constantFrom(..."AZaz09-_.=%"), (at, character) => {
      const changed = good.slice(0, at) + character + good.slice(at + 1);
      // The last character of a signature of 32 bytes has two bits that say nothing.
      fc.pre(changed !== good && at < good.length - 1);
      assert.notEqual(verdict(changed), null);
    }),
    { numRuns: 150 },
  );
  fc.assert(fc.property(fc.string(), (text) => void parseToken(text)));
});

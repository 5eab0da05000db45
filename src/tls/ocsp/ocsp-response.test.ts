import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { answerOcsp, makePair, type Pair } from "../testing.ts";
import { buildOcspRequest, certificateIdOf } from "./certificate-id.ts";
import { checkOcspResponse, type ResponseCheck } from "./ocsp-response.ts";

const issuer = makePair({ name: "authority", authority: true });
const rsaIssuer = makePair({ name: "authority", authority: true, kind: "rsa" });
const certificate = makePair({ name: "a.test", issuer });
const stranger = makePair({ name: "stranger" });
const read = ({ cert }: Pair): X509Certificate => new X509Certificate(cert);
const DAY = 86_400_000;

function checkFor(of: Pair, by: Pair, changes: Partial<ResponseCheck> = {}): ResponseCheck {
  const id = certificateIdOf(read(of), read(by));
  return { id, issuer: read(by), now: Date.now(), skipSignature: false, ...changes };
}

const check = checkFor(certificate, issuer);
const request = buildOcspRequest(check.id);
const good = answerOcsp(request, { issuer, certificate, status: "good" });

test("a response of the issuer counts until its next update", () => {
  const { status, nextUpdate } = checkOcspResponse(good, check);
  assert.equal(status, "good");
  assert.ok(Math.abs(nextUpdate! - check.now - DAY) < 60_000);
  assert.throws(() => checkOcspResponse(good, { ...check, now: nextUpdate! }), /expired/);
  assert.throws(() => checkOcspResponse(good, { ...check, now: check.now - DAY }), /not valid yet/);
});

test("an issuer with RSA signs, too; revoked is told", () => {
  const other = makePair({ name: "b.test", issuer: rsaIssuer });
  const checked = checkFor(other, rsaIssuer);
  const answer = { issuer: rsaIssuer, certificate: other } as const;
  const asked = buildOcspRequest(checked.id);
  assert.equal(checkOcspResponse(answerOcsp(asked, { ...answer, status: "good" }), checked).status, "good");
  assert.equal(checkOcspResponse(answerOcsp(asked, { ...answer, status: "revoked" }), checked).status, "revoked");
  assert.throws(() => checkOcspResponse(good, checked), /about another certificate/);
});

test("others sign only where the issuer lets them", () => {
  const answer = { issuer, certificate, status: "good" } as const;
  const delegate = makePair({ name: "responder", issuer, signsOcsp: true });
  assert.equal(checkOcspResponse(answerOcsp(request, { ...answer, signer: delegate }), check).status, "good");
  for (const signer of [stranger, makePair({ name: "sibling", issuer })]) {
    const response = answerOcsp(request, { ...answer, signer });
    assert.throws(() => checkOcspResponse(response, check), /not signed by the issuer/);
    assert.equal(checkOcspResponse(response, { ...check, skipSignature: true }).status, "good");
  }
});

test("what a responder refuses is told, and nothing that is malformed counts", () => {
  assert.throws(() => checkOcspResponse(Buffer.from("30030a0103", "hex"), check), /the responder says tryLater/);
  for (let length = 0; length < good.length; length++) {
    assert.throws(() => checkOcspResponse(good.subarray(0, length), check), Error, `${length} bytes`);
  }
  assert.throws(() => checkOcspResponse(Buffer.concat([good, Buffer.from([0])]), check), /follows the last value/);
  const changed = Buffer.from(good);
  changed[changed.indexOf(check.id.issuerKeyHash)]! ^= 1;
  assert.throws(() => checkOcspResponse(changed, check), /about another certificate/);
  // Every byte of what is signed is signed.
  const start = good.indexOf(check.id.der) - 60;
  for (let at = start; at < start + 140; at++) {
    const flipped = Buffer.from(good);
    flipped[at]! ^= 0x01;
    assert.throws(() => checkOcspResponse(flipped, check), Error, `byte ${at}`);
  }
});

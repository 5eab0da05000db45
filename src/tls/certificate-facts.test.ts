import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { makePair } from "./testing.ts";
import { keyKinds, readCertificateFacts } from "../lib/certificate-facts.ts";

const SHA256_WITH_RSA = "1.2.840.113549.1.1.11";
const ECDSA_SHA256 = "1.2.840.10045.4.3.2";
const P256 = "1.2.840.10045.3.1.7";

test("the facts of certificates are those that the library tells", () => {
  const authority = makePair({ name: "authority", authority: true, kind: "rsa" });
  // Beyond 2049 times have another form.
  const long = makePair({ name: "long.test", issuer: authority, days: 20_000 });
  const own = makePair({ name: "own.test" });
  const pem = [long, authority, own].map(({ cert }) => cert);
  const facts = readCertificateFacts(`text before\n${pem.join("")}`);
  assert.deepEqual(
    facts.map(({ validTo }) => validTo),
    pem.map((one) => new X509Certificate(one).validToDate.getTime()),
  );
  const elliptic = { keyKind: keyKinds.elliptic, curve: P256, rsaBits: 0 };
  assert.deepEqual(
    facts.map(({ signature, keyKind, curve, rsaBits }) => ({ signature, keyKind, curve, rsaBits })),
    [
      { signature: SHA256_WITH_RSA, ...elliptic },
      { signature: SHA256_WITH_RSA, keyKind: keyKinds.rsa, curve: null, rsaBits: 2_048 },
      { signature: ECDSA_SHA256, ...elliptic },
    ],
  );
});

test("what is cut off or continued is malformed", () => {
  const body = Buffer.from(makePair({ name: "a.test" }).cert.replace(/-----.*-----/g, ""), "base64");
  const block = (bytes: Buffer): string =>
    `-----BEGIN CERTIFICATE-----\n${bytes.toString("base64")}\n-----END CERTIFICATE-----\n`;
  assert.equal(readCertificateFacts(block(body)).length, 1);
  assert.throws(() => readCertificateFacts(block(body.subarray(0, -1))), /malformed DER/);
  assert.throws(() => readCertificateFacts(block(Buffer.concat([body, Buffer.from([0])]))), /malformed DER/);
});

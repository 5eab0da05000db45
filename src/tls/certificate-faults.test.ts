import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { certificatesFault } from "../schema/certificates.ts";
import type { Ssl } from "../schema/ssl.ts";
import { makePair, type Pair, sslOf } from "./testing.ts";

const ec = makePair({ name: "a.test" });
const other = makePair({ name: "b.test" });
const rsa = makePair({ name: "a.test", kind: "rsa" });

function faultOf(pair: Pair, changes: Partial<Ssl> = {}): string | null {
  const fault = certificatesFault(sslOf("1", ["a.test"], pair, changes));
  return fault === null ? null : `${fault.path.join(".")}: ${fault.reason}`;
}

test("a certificate with its key can be used, also one that has expired", () => {
  assert.equal(faultOf(ec), null);
  assert.equal(faultOf(makePair({ name: "a.test", days: -1 })), null);
  assert.equal(faultOf(ec, { certs: [rsa.cert], keys: [rsa.key] }), null);
});

test("what is wrong is named with its place", () => {
  const mismatch = "the key does not belong to the certificate";
  assert.equal(faultOf({ cert: ec.cert, key: other.key }), `key: ${mismatch}`);
  assert.equal(faultOf({ cert: ec.cert, key: rsa.key }), `key: ${mismatch}`);
  assert.equal(faultOf(ec, { certs: [rsa.cert], keys: [ec.key] }), `keys.0: ${mismatch}`);
  assert.equal(faultOf({ cert: "x", key: ec.key }), "cert: failed to parse cert: no certificate in PEM form");
  assert.equal(faultOf({ cert: ec.cert, key: "--- x" }), "key: failed to parse key: no private key in PEM form");
  const client = { ca: "x", depth: 1 };
  assert.equal(faultOf(ec, { client }), "client.ca: failed to parse cert: no certificate in PEM form");
});

test("a key that OpenSSL finds too short is refused with its reason", () => {
  const args = ["req", "-x509", "-nodes", "-newkey", "rsa:1024", "-subj", "/CN=a", "-keyout", "-", "-out", "-"];
  const text = execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const at = text.indexOf("-----BEGIN CERTIFICATE");
  const [key, cert] = [text.slice(0, at), text.slice(at)];
  assert.equal(faultOf({ cert, key }), "cert: OpenSSL refuses it: ee key too small");
});

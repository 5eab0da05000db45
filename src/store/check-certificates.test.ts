import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { certificate, privateKey } from "../../test/support/certificate.ts";
import { checkResource } from "./check-resource.ts";
import { plugins } from "./testing.ts";

const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey.export({
  type: "pkcs8",
  format: "pem",
});
const good = { sni: "a.test", cert: certificate, key: privateKey };

/** Where and why it is refused; `""`: it is not. */
function refusalOf(ssl: object): string {
  const checked = checkResource("ssls", "1", ssl, { plugins });
  return "error" in checked ? `${checked.field}: ${checked.error}` : "";
}

test("certificates from any source are refused with field and reason where they cannot be used", () => {
  assert.equal(refusalOf({ ...good }), "");
  const mismatch = "the key does not belong to the certificate";
  assert.equal(refusalOf({ ...good, key: other }), `key: property "key" validation failed: ${mismatch}`);
  assert.match(refusalOf({ ...good, certs: [certificate], keys: [other] }), new RegExp(`^keys\\[0\\]: .*${mismatch}`));
  assert.equal(refusalOf({ ...good, ssl_protocols: ["TLSv1.3", "TLSv1.2"] }), "");
  assert.match(refusalOf({ ...good, ssl_protocols: [] }), /^ssl_protocols: .*no version of TLS is left/);
  const gap = ["TLSv1.1", "TLSv1.3"];
  assert.match(refusalOf({ ...good, ssl_protocols: gap }), /^ssl_protocols: .*cannot leave out TLSv1\.2/);
  const broken = `-----BEGIN CERTIFICATE-----${"x".repeat(120)}`;
  assert.match(refusalOf({ ...good, cert: broken }), /^cert: .*no certificate in PEM form/);
  assert.match(refusalOf({ ...good, client: { ca: broken } }), /^client\.ca: .*no certificate in PEM form/);
  const costly = { ca: certificate, skip_mtls_uri_regex: ["/a", "(a+)+$"] };
  assert.match(refusalOf({ ...good, client: costly }), /^client\.skip_mtls_uri_regex\[1\]: /);
});

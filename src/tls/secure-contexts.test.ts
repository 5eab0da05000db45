import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultCiphers } from "../settings/keys/apisix.ts";
import type { Ssl } from "../schema/ssl.ts";
import { Certificate } from "./certificate-index.ts";
import { SecureContexts } from "./secure-contexts.ts";
import { makePair, sslOf } from "./testing.ts";
import { epochOf, TicketKeys } from "./ticket-keys.ts";

const settings = {
  protocols: ["TLSv1.2", "TLSv1.3"],
  ciphers: defaultCiphers,
  sessionTickets: true,
  fallbackSni: null,
  trustedFile: null,
} as const;
const pair = makePair({ name: "a.test" });
const certificateOf = (ssl: Ssl): Certificate => new Certificate(JSON.stringify(ssl), ssl);
const tickets = (): TicketKeys => new TicketKeys({ epoch: epochOf(Date.now()) + 1_000, secret: new Uint8Array(32) });

test("a context is made once for a certificate, and anew for a changed one", () => {
  const contexts = new SecureContexts(settings, tickets());
  const certificate = certificateOf(sslOf("1", ["a.test"], pair));
  const context = contexts.contextOf(certificate);
  assert.equal(contexts.contextOf(certificate), context);
  assert.notEqual(contexts.contextOf(certificateOf(sslOf("1", ["a.test"], pair))), context);
  assert.equal(contexts.size, 1);
});

test("of many certificates those that were used last have one", () => {
  const contexts = new SecureContexts(settings, tickets(), 2);
  const [a, b, c] = ["1", "2", "3"].map((id) => certificateOf(sslOf(id, [`${id}.test`], pair)));
  const first = contexts.contextOf(a!);
  const second = contexts.contextOf(b!);
  assert.equal(contexts.contextOf(a!), first);
  contexts.contextOf(c!);
  assert.equal(contexts.size, 2);
  assert.equal(contexts.contextOf(a!), first);
  assert.notEqual(contexts.contextOf(b!), second);
});

test("what cannot be used is no context, and takes no room", () => {
  const contexts = new SecureContexts(settings, tickets());
  const broken = certificateOf(sslOf("1", ["a.test"], { ...pair, key: makePair({ name: "b.test" }).key }));
  assert.throws(() => contexts.contextOf(broken), /key values mismatch/);
  assert.equal(contexts.size, 0);
});

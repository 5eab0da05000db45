import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ssl } from "../schema/ssl.ts";
import { CertificateIndex } from "./certificate-index.ts";
import { sslOf } from "./testing.ts";

const pair = { cert: "c", key: "k" };

function indexOf(...resources: Ssl[]): CertificateIndex {
  const index = new CertificateIndex();
  for (const ssl of resources) index.set(ssl.id, JSON.stringify(ssl), ssl);
  return index;
}

test("an exact name comes before a star, a star stands for one label, the longer star comes first", () => {
  const index = indexOf(
    sslOf("exact", ["a.test"], pair),
    sslOf("star", ["*.a.test"], pair),
    sslOf("deep", ["*.b.a.test"], pair),
    sslOf("part", ["*x.a.test"], pair),
    sslOf("any", ["*"], pair),
  );
  const ids = ["a.test", "w.a.test", "w.b.a.test", "v.w.b.a.test", "yx.a.test", "x.a.test", "localhost", "c.test"];
  assert.deepEqual(
    ids.map((name) => index.find(name)?.id ?? null),
    ["exact", "star", "deep", null, "part", "part", "any", null],
  );
});

test("names are compared in lower case", () => {
  assert.equal(indexOf(sslOf("1", ["A.Test"], pair)).find("a.test")?.id, "1");
});

test("of two resources with one name the one that was written last counts, then the greater id", () => {
  const index = indexOf(
    sslOf("1", ["a.test"], pair, { update_time: 20 }),
    sslOf("2", ["a.test"], pair, { update_time: 10 }),
    sslOf("3", ["b.test"], pair),
    sslOf("4", ["b.test"], pair),
  );
  assert.equal(index.find("a.test")?.id, "1");
  assert.equal(index.find("b.test")?.id, "4");
  index.set("1", null, null);
  assert.equal(index.find("a.test")?.id, "2");
});

test("a resource that is turned off or removed serves nobody", () => {
  const index = indexOf(sslOf("1", ["a.test", "*.a.test", "*b.test"], pair, { client: { ca: "c", depth: 1 } }));
  assert.equal(index.asksClients, true);
  const off = sslOf("1", ["a.test"], pair, { status: 0 });
  index.set("1", JSON.stringify(off), off);
  assert.deepEqual(
    ["a.test", "x.a.test", "xb.test"].map((name) => index.find(name)),
    [null, null, null],
  );
  assert.equal(index.asksClients, false);
});

test("a certificate for upstreams is shown to nobody who connects", () => {
  const index = indexOf(sslOf("1", ["a.test"], pair, { type: "client" }), sslOf("2", ["b.test"], pair));
  assert.equal(index.find("a.test"), null);
  assert.equal(index.find("b.test")?.id, "2");
});

test("responses of OCSP responders are kept until they run out or are taken back", () => {
  const index = new CertificateIndex();
  const staple = (fingerprint: string, until: number, text: string | null = "der") => ({
    fingerprint,
    until,
    response: text === null ? null : Buffer.from(text),
  });
  index.setStaples([staple("a", 100), staple("b", 200)], 0);
  assert.deepEqual([index.stapleOf("a", 99)?.toString(), index.stapleOf("a", 100)], ["der", null]);
  index.setStaples([staple("b", 200, null)], 0);
  assert.deepEqual([index.stapleOf("a", 1)?.toString(), index.stapleOf("b", 1)], ["der", null]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { certificate, privateKey } from "../../test/support/certificate.ts";
import type { Kind } from "../schema/kinds.ts";
import { checkResource } from "./check-resource.ts";
import { plugins } from "./testing.ts";

const values = new Map([
  ["$env://KEY", "alpha-key"],
  ["$env://BAD", "bad!hunter2"],
  ["$env://CERT", certificate],
  ["$env://PEM", privateKey],
]);
const lookupSecret = (reference: string): { readonly value: string } | { readonly error: string } => {
  const value = values.get(reference);
  return value === undefined ? { error: "it is not set" } : { value };
};
const checked = (kind: Kind, id: string, value: object): ReturnType<typeof checkResource> =>
  checkResource(kind, id, value, { plugins, lookupSecret });

test("workers get what references stand for, with defaults; who looks sees the references", () => {
  const resource = checked("consumers", "jack", { username: "jack", plugins: { "key-auth": { key: "$env://KEY" } } });
  assert.ok("text" in resource, "error" in resource ? resource.error : "");
  assert.match(resource.text, /"key":"alpha-key"/);
  assert.equal(resource.shown, resource.text.replace("alpha-key", "$env://KEY"));
  const again = checked("consumers", "jill", { username: "jill", plugins: { "key-auth": { key: "alpha-key" } } });
  assert.ok("text" in again);
  assert.deepEqual(resource.claims[0]?.key, again.claims[0]?.key, "the same key, however it is written");
  assert.equal(again.shown, again.text);
});

test("what was fetched is checked as if it stood there, and never said", () => {
  const wrong = checked("consumers", "jack", { username: "jack", plugins: { "key-auth": { key: "$env://BAD" } } });
  assert.ok("error" in wrong);
  assert.match(wrong.error, /key-auth/);
  assert.doesNotMatch(JSON.stringify(wrong), /hunter2/);
  const failing = { uri: "/", plugins: { fragile: { fail: "$env://KEY" } }, upstream: { nodes: {} } };
  const type = checked("routes", "1", failing);
  assert.ok("error" in type);
  assert.match(type.error, /wrong type: expected boolean, got string/);
  const compiled = { ...failing, plugins: { fragile: { fail: true, opts: { other: "$env://KEY" } } } };
  const reason = checked("routes", "1", compiled);
  assert.ok("error" in reason);
  assert.match(reason.error, /cannot work with/);
  assert.doesNotMatch(JSON.stringify(reason), /alpha-key/, "also where the field has no telling name");
});

test("an unknown reference is the reason, before anything else", () => {
  const value = { uri: 5, plugins: { fragile: { sign: "$env://NONE" } } };
  const refused = checked("routes", "1", value);
  assert.deepEqual("error" in refused ? [refused.error, refused.field] : [], [
    'property "plugins.fragile.sign": $env://NONE cannot be resolved: it is not set',
    "plugins.fragile.sign",
  ]);
});

test("certificates and their keys may be references, short as these are", () => {
  const ssl = { sni: "a.test", cert: "$env://CERT", key: "$env://PEM" };
  const resource = checked("ssls", "1", ssl);
  assert.ok("text" in resource, "error" in resource ? resource.error : "");
  assert.match(resource.shown, /"cert":"\$env:\/\/CERT"/);
  assert.doesNotMatch(resource.shown, /BEGIN/);
  const short = checked("ssls", "1", { ...ssl, key: "$env://KEY" });
  assert.match("error" in short ? short.error : "", /property "key" validation failed: string too short/);
});

test("where nothing is looked up a reference is a text, unless it would be taken for what it says", () => {
  const texts = { name: "$env://KEY", desc: "$env://KEY", labels: { a: "$env://KEY" } };
  const nodes = { "127.0.0.1:80": 1 };
  const described = checked("routes", "1", { uri: "/", ...texts, upstream: { nodes, ...texts } });
  assert.ok("text" in described, "error" in described ? described.error : "");
  const host = checked("routes", "1", {
    uri: "/",
    upstream: { nodes, pass_host: "rewrite", upstream_host: "$env://KEY" },
  });
  assert.match("error" in host ? host.error : "", /"upstream\.upstream_host": references .* have no meaning here/);
});

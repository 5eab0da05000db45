import assert from "node:assert/strict";
import { test } from "node:test";
import { freshnessMs, parseCacheControl, secondsOf } from "./proxy-cache-control.ts";
import { CacheStore, type CachedAnswer } from "./proxy-cache-store.ts";

const answer = (body: string): CachedAnswer => ({
  status: 200,
  headers: [],
  body: Buffer.from(body),
  storedAt: 0,
  ttlMs: 1_000,
});
const none = (): undefined => undefined;
const found = (store: CacheStore, key: string, value?: string): string | undefined =>
  store.find(key, () => value)?.body.toString();

test("what was used longest ago goes first, and the bound holds", () => {
  const store = new CacheStore(3_000);
  for (const key of ["a", "b", "c"]) store.put(key, [], none, answer(key.repeat(400)));
  assert.ok(found(store, "a"));
  store.put("d", [], none, answer("d".repeat(400)));
  const left = ["a", "b", "c", "d"].filter((key) => found(store, key) !== undefined);
  assert.deepEqual(left, ["a", "c", "d"]);
  assert.ok(store.bytes <= 3_000);
  store.put("e", [], none, answer("e".repeat(4_000)));
  assert.equal(found(store, "e"), undefined);
  for (const key of ["a", "b", "c", "d"]) store.delete(key);
  assert.equal(store.bytes, 0);
});

test("answers that vary are found by the headers that they vary by", () => {
  const store = new CacheStore(100_000);
  store.put("k", ["x"], () => "1", answer("one"));
  store.put("k", ["x"], () => "2", answer("two"));
  assert.deepEqual([found(store, "k", "1"), found(store, "k", "2"), found(store, "k")], ["one", "two", undefined]);
  store.put("k", ["y"], () => "1", answer("other"));
  assert.equal(found(store, "k", "2"), undefined);
  assert.equal(found(store, "k", "1"), "other");
  assert.ok(store.delete("k"));
  assert.ok(!store.delete("k"));
  assert.equal(store.bytes, 0);
});

test("what is being collected has a bound of its own", () => {
  const store = new CacheStore(1_000);
  assert.ok(store.reserve(800));
  assert.ok(!store.reserve(300));
  store.release(800);
  assert.ok(store.reserve(300));
});

test("Cache-Control and Expires tell how long an answer may be kept", () => {
  assert.equal(freshnessMs("public, max-age=5", undefined), 5_000);
  assert.equal(freshnessMs('S-MaxAge="7", max-age=5', undefined), 7_000);
  const future = new Date(Date.now() + 60_000).toUTCString();
  assert.ok(freshnessMs(undefined, future) > 50_000);
  for (const value of ["private", "no-store, max-age=5", "no-cache", "public", "max-age=0", "max-age=x", ""]) {
    assert.equal(freshnessMs(value, undefined), 0, value);
  }
  assert.equal(freshnessMs(undefined, "0"), 0);
  assert.equal(secondsOf(parseCacheControl("max-age=1, max-age=2"), "max-age"), 1);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CacheNews } from "./proxy-cache-news.ts";
import { MemoryZone } from "./proxy-cache-zone.ts";

/** Zones that share one cache, as workers have it; `deliver` hands over what they have told, as threads get it. */
function zones(count: number): { readonly all: readonly MemoryZone[]; readonly deliver: () => void } {
  const told: (readonly [from: number, news: CacheNews])[] = [];
  const all = Array.from({ length: count }, (_, from) => {
    return new MemoryZone(100_000, (news) => told.push([from, structuredClone(news)]));
  });
  const deliver = (): void => {
    for (const [from, news] of told.splice(0)) all.forEach((zone, to) => to !== from && zone.heard(news));
  };
  return { all, deliver };
}

const english = (name: string): string | undefined => (name === "accept-language" ? "en" : undefined);
const german = (name: string): string | undefined => (name === "accept-language" ? "de" : undefined);

interface Keeping {
  readonly vary?: readonly string[];
  readonly header?: typeof english;
  readonly storedAt?: number;
}

function keep(zone: MemoryZone, key: string, body: string, options: Keeping = {}): void {
  const { vary = [], header = english, storedAt = 1 } = options;
  const pending = zone.keep(key, vary, header, { status: 200, headers: [], storedAt, ttlMs: 1_000 });
  for (const letter of body) pending.add(Buffer.from(letter));
  pending.finish();
}

const bodyIn = (zone: MemoryZone, key: string, header = english): string | undefined =>
  zone.find(key, header)?.body.toString();

test("what one worker keeps and gives up, every other one does, variants too", () => {
  const { all, deliver } = zones(3);
  const [first, second, third] = all as readonly [MemoryZone, MemoryZone, MemoryZone];
  keep(first, "a", "one");
  keep(second, "v", "yes", { vary: ["accept-language"] });
  keep(third, "v", "ja", { vary: ["accept-language"], header: german });
  deliver();
  for (const zone of all) {
    assert.deepEqual([bodyIn(zone, "a"), bodyIn(zone, "v"), bodyIn(zone, "v", german)], ["one", "yes", "ja"]);
    assert.ok(zone.find("a", english)?.body.buffer instanceof SharedArrayBuffer, "the body is there once");
  }
  assert.equal(third.purge("a"), true);
  assert.equal(third.purge("v"), true);
  deliver();
  for (const zone of all) {
    for (const found of [bodyIn(zone, "a"), bodyIn(zone, "v"), bodyIn(zone, "v", german)])
      assert.equal(found, undefined);
  }
  assert.equal(first.purge("a"), false);
});

test("of answers that come at the same time all keep the later one", () => {
  const { all, deliver } = zones(2);
  keep(all[0]!, "a", "earlier", { storedAt: 1 });
  keep(all[1]!, "a", "later", { storedAt: 2 });
  deliver();
  assert.deepEqual(
    all.map((zone) => bodyIn(zone, "a")),
    ["later", "later"],
  );
});

import assert from "node:assert/strict";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import * as fc from "fast-check";
import { crc32 } from "node:zlib";
import { buildCounters } from "./checked-plugin.ts";
import { DiskZone } from "./proxy-cache-disk.ts";
import { DiskCollection } from "./proxy-cache-draft.ts";
import { decodeEntry, encodeHead, encodeTail, TAIL_BYTES } from "./proxy-cache-entry.ts";
import { sweep } from "./proxy-cache-sweep.ts";

const none = (): undefined => undefined;

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "turnpike-cache-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function zoneIn(path: string, more: { bytes?: number; memory?: number; warn?: (text: string) => void } = {}): DiskZone {
  const disk = { path, bytes: more.bytes ?? 1_048_576, levels: [1, 2] };
  const zone = { name: "test", memoryBytes: more.memory ?? 1_048_576, disk };
  return new DiskZone(zone, buildCounters(), more.warn ?? assert.fail);
}

/** Keeps an answer; false: it was not kept. */
async function keep(
  zone: DiskZone,
  key: string,
  pieces: readonly string[],
  vary: readonly string[] = [],
  value = "",
): Promise<boolean> {
  const answer = { status: 200, headers: [["X-A", "1"]] as const, storedAt: 5, ttlMs: 1_000 };
  const collection = zone.keep(key, vary, () => value, answer);
  assert.ok(collection instanceof DiskCollection);
  const kept = pieces.every((piece) => collection.add(Buffer.from(piece)));
  if (kept) collection.finish();
  await collection.settled;
  // What was put into the queue by the last step.
  await collection.settled;
  return kept;
}

const found = async (zone: DiskZone, key: string, value?: string): Promise<string | undefined> =>
  (await zone.find(key, () => value))?.body.toString();

/** The entries below a directory, drafts apart. */
function entriesIn(path: string): readonly string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith("drafts"))
    .map((entry) => join(entry.parentPath, entry.name));
}

test("what is kept is found by every worker and after a restart, until it is purged", async (t) => {
  const path = directory(t);
  const zone = zoneIn(path);
  assert.equal(await found(zone, "k"), undefined);
  assert.ok(await keep(zone, "k", ["one ", "two"]));
  const answer = await zoneIn(path).find("k", none);
  assert.deepEqual(
    [answer?.status, answer?.headers, answer?.storedAt, answer?.ttlMs, answer?.body.toString()],
    [200, [["X-A", "1"]], 5, 1_000, "one two"],
  );
  const [entry = ""] = entriesIn(path);
  assert.match(entry.slice(path.length), /^\/([0-9a-f])\/([0-9a-f]{2})\/[0-9a-f]{29}\2\1$/);
  assert.equal(statSync(entry).mode & 0o777, 0o600);
  assert.ok(await zone.purge("k"));
  assert.ok(!(await zone.purge("k")));
  assert.equal(await found(zone, "k"), undefined);
  assert.deepEqual(readdirSync(join(path, "drafts")), []);
});

test("answers that vary are kept side by side and purged together", async (t) => {
  const zone = zoneIn(directory(t));
  await keep(zone, "k", ["one"], ["accept"], "1");
  await keep(zone, "k", ["two"], ["accept"], "2");
  assert.deepEqual([await found(zone, "k", "1"), await found(zone, "k", "2")], ["one", "two"]);
  assert.equal(await found(zone, "k", "3"), undefined);
  await zone.purge("k");
  await keep(zone, "k", ["new"], ["accept"], "1");
  assert.deepEqual([await found(zone, "k", "1"), await found(zone, "k", "2")], ["new", undefined]);
});

test("a file that is cut, changed or something else is a miss", async (t) => {
  const path = directory(t);
  const zone = zoneIn(path);
  for (const spoil of [
    (file: string) => truncateSync(file, statSync(file).size - 3),
    (file: string) => truncateSync(file, 5),
    (file: string) => writeFileSync(file, readFileSync(file).fill(0, 60, 61)),
    (file: string) => writeFileSync(file, "nonsense"),
    (file: string) => writeFileSync(file, ""),
  ]) {
    await keep(zone, "k", ["a body that is long enough"]);
    assert.equal(await found(zone, "k"), "a body that is long enough");
    const [entry = ""] = entriesIn(path);
    spoil(entry);
    assert.equal(await found(zone, "k"), undefined);
  }
  assert.ok(await keep(zone, "k", ["again"]));
  assert.equal(await found(zone, "k"), "again");
});

test("any damage is noticed", () => {
  const head = { key: "k", variant: "", status: 200, headers: [["A", "ä"]] as const, storedAt: 1, ttlMs: 2 };
  const read = (file: Buffer): ReturnType<typeof decodeEntry> =>
    decodeEntry(file, crc32(file.subarray(0, Math.max(0, file.length - TAIL_BYTES))));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, by) => {
      const start = Buffer.concat([encodeHead(head), bytes]);
      const file = Buffer.concat([start, encodeTail(bytes.length, crc32(start))]);
      assert.deepEqual(read(file), { head, body: Buffer.from(bytes) });
      const place = at % file.length;
      file[place] = (file[place] ?? 0) ^ by;
      assert.equal(read(file), null);
      assert.equal(read(file.subarray(0, place)), null);
    }),
    { numRuns: 200 },
  );
});

test("what was used longest ago goes first, and nothing else is touched", async (t) => {
  const path = directory(t);
  const zone = zoneIn(path);
  for (const [index, key] of ["a", "b", "c", "d"].entries()) {
    await keep(zone, key, ["x".repeat(8_000)]);
    const entry = entriesIn(path).find((file) => statSync(file).mtimeMs > 10_000_000) ?? assert.fail();
    utimesSync(entry, 1_000 + index, 1_000 + index);
  }
  writeFileSync(join(path, "not-ours"), "y".repeat(100_000));
  // It is used now.
  assert.ok(await found(zone, "a"));
  while (entriesIn(path).every((file) => statSync(file).mtimeMs < 10_000_000 || file.endsWith("not-ours"))) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  await sweep(path, 30_000);
  const left = await Promise.all(["a", "b", "c", "d"].map(async (key) => (await found(zone, key)) !== undefined));
  assert.deepEqual(left, [true, false, true, true]);
  assert.ok(readdirSync(path).includes("not-ours"));
});

test("the disk's share is kept to, however much comes", async (t) => {
  const path = directory(t);
  const bytes = 400_000;
  const zone = zoneIn(path, { bytes });
  for (let i = 0; i < 60; i++) await keep(zone, `k${i}`, ["x".repeat(20_000)]);
  // A sweep may be under way, and take files that were there a moment ago.
  const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const total = (): number => entriesIn(path).reduce((sum, file) => sum + sizeOf(file), 0);
  while (total() > bytes) await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await found(zone, "k59"))?.length, 20_000);
});

test("what is too large, or has no room in memory, is not kept and hurts nobody", async (t) => {
  const path = directory(t);
  const small = zoneIn(path, { bytes: 80_000 });
  assert.ok(!(await keep(small, "k", ["x".repeat(10_001)])));
  const narrow = zoneIn(path, { memory: 100 });
  assert.ok(!(await keep(narrow, "k", ["x".repeat(60), "x".repeat(60)])));
  assert.ok(await keep(zoneIn(path), "k", ["x".repeat(200)]));
  assert.equal(await found(narrow, "k"), undefined);
  assert.deepEqual(readdirSync(join(path, "drafts")), []);
});

test("a directory that cannot be used is said once, and every answer is a miss", async (t) => {
  const file = join(directory(t), "file");
  writeFileSync(file, "");
  const said: string[] = [];
  const zone = zoneIn(file, { warn: (text) => said.push(text) });
  await keep(zone, "k", ["one"]);
  await keep(zone, "k", ["one"]);
  assert.equal(await found(zone, "k"), undefined);
  assert.equal(said.length, 1);
  assert.match(String(said[0]), /cache .*file: /);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../schema/kinds.ts";
import type { Applied } from "../store/store.ts";
import { Delivery, type Parcel } from "./delivery.ts";

const route = (id: string, text: string | null): Change => ({ kind: "routes", id, text });

function step(revision: number, changes: readonly Change[]): Applied {
  return { fromRevision: revision - 1, revision, hash: BigInt(revision), changes, rejected: [] };
}

/** A delivery, what it has delivered, and the promise of what it delivers next. */
function recorder(areWorkersBusy = true) {
  const parcels: Parcel[] = [];
  let arrived = Promise.withResolvers<Parcel>();
  const delivery = new Delivery(
    (parcel) => {
      parcels.push(parcel);
      arrived.resolve(parcel);
      arrived = Promise.withResolvers();
    },
    () => areWorkersBusy,
  );
  return { delivery, parcels, next: () => arrived.promise };
}

test("a step after a pause is delivered once the caller is through, with what else it brings", async () => {
  const { delivery, parcels } = recorder();
  delivery.add(step(5, []), true, 1_000);
  delivery.add(step(6, [route("1", "a")]), true, 1_000);
  assert.equal(parcels.length, 0);
  await Promise.resolve();
  const both = { ...step(6, [route("1", "a")]), fromRevision: 4 };
  assert.deepEqual(parcels, [{ ...both, loaded: true, firstAt: 1_000, lastAt: 1_000 }]);
});

test("steps that follow closely are delivered together, each resource as it is at the end", async () => {
  const { delivery, parcels, next } = recorder();
  delivery.add(step(1, []), true, 1_000);
  await Promise.resolve();
  delivery.add(step(2, [route("1", "a"), route("2", "a")]), true, 1_001);
  delivery.add(step(3, [route("1", null)]), true, 1_002);
  delivery.add(step(4, [route("2", "b")]), true, 1_003);
  assert.equal(parcels.length, 1);
  const { fromRevision, revision, hash, changes, firstAt, lastAt } = await next();
  assert.deepEqual({ fromRevision, revision, hash }, { fromRevision: 1, revision: 4, hash: 4n });
  assert.deepEqual(changes, [route("1", null), route("2", "b")]);
  assert.deepEqual({ firstAt, lastAt }, { firstAt: 1_001, lastAt: 1_003 });
  assert.equal(parcels.length, 2);
});

test("while workers are not busy each step is delivered at once", async () => {
  const { delivery, parcels } = recorder(false);
  for (const revision of [1, 2, 3]) {
    delivery.add(step(revision, [route("1", `${revision}`)]), true, 1_000);
    await Promise.resolve();
  }
  assert.deepEqual(
    parcels.map(({ revision }) => revision),
    [1, 2, 3],
  );
});

test("what only moves the revision is no load, unless something was loaded with it", async () => {
  const { delivery, parcels, next } = recorder();
  delivery.add(step(1, []), false, 1_000);
  await Promise.resolve();
  assert.equal(parcels[0]?.loaded, false);
  delivery.add(step(2, []), true, 1_001);
  delivery.add(step(3, []), false, 1_002);
  assert.equal((await next()).loaded, true);
});

test("flush delivers at once what was gathered, and nothing twice", () => {
  const { delivery, parcels } = recorder();
  delivery.add(step(1, []), true, 1_000);
  delivery.flush();
  delivery.add(step(2, [route("1", "a")]), true, 1_001);
  delivery.flush();
  delivery.flush();
  assert.deepEqual(
    parcels.map(({ revision }) => revision),
    [1, 2],
  );
});

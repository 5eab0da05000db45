import { setImmediate } from "node:timers/promises";
import type { StoredValue } from "../../source/repository.ts";
import { answerForm, type ShownResource } from "./answer-form.ts";
import { keyNotFound } from "./answers.ts";
import type { ResourceDeps } from "./deps.ts";
import type { AdminAnswer, AdminRequest } from "./exchange.ts";
import { selectListing } from "./listing.ts";
import { collectionKey, fullId, storeKey, type ResourceAddress } from "./resource-address.ts";
import type { AdminKind } from "./resource-kinds.ts";
import { rejectionHeader } from "./settle.ts";
import { showResource } from "./shown-resource.ts";

/** GET of one resource or of a collection. */
export async function getResource(
  deps: ResourceDeps,
  address: ResourceAddress,
  { query }: AdminRequest,
): Promise<AdminAnswer> {
  const { id } = address;
  return id === null ? await getCollection(deps, address, query) : await getOne(deps, address, id);
}

async function getOne(deps: ResourceDeps, address: ResourceAddress, id: string): Promise<AdminAnswer> {
  const { kind } = address.kind;
  const stored = await deps.repository.get(storeKey(address, id));
  if (stored === null) return keyNotFound;
  return {
    status: 200,
    body: answerForm(deps.version).one(showResource(deps, kind, stored)),
    headers: { ETag: `"${stored.modRevision}"`, ...rejectionHeader(deps.loaded, kind, fullId(address, id)) },
  };
}

async function getCollection(
  deps: ResourceDeps,
  address: ResourceAddress,
  query: URLSearchParams,
): Promise<AdminAnswer> {
  const { kind } = address.kind;
  const key = collectionKey(address);
  const { values } = await deps.repository.list(`${key}/`);
  // Credentials lie below their consumers.
  const own =
    kind === "consumers" ? values.filter((stored) => !stored.key.slice(key.length + 1).includes("/")) : values;
  if (kind === "credentials" && own.length === 0) return keyNotFound;
  const listing = await selectListing(await showAll(deps, kind, own), query, address.kind.references);
  if ("status" in listing) return listing;
  const { resources, total } = listing;
  return { status: 200, body: answerForm(deps.version).many(`${deps.prefix}/${key}`, resources, total) };
}

/** Resources that are looked at before others get a turn: this thread also feeds the workers. */
const AT_ONCE = 500;

async function showAll(
  deps: ResourceDeps,
  kind: AdminKind,
  values: readonly StoredValue[],
): Promise<readonly ShownResource[]> {
  const shown: ShownResource[] = [];
  for (const stored of values) {
    if (shown.length % AT_ONCE === AT_ONCE - 1) await setImmediate();
    shown.push(showResource(deps, kind, stored));
  }
  return shown;
}

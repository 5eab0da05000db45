import { setImmediate } from "node:timers/promises";
import { refuse } from "./answers.ts";
import type { ShownResource } from "./answer-form.ts";
import type { AdminAnswer } from "./exchange.ts";
import { isFields } from "./merge-patch.ts";
import { compileSearch } from "./search-pattern.ts";

/** A part of a collection. */
export interface Listing {
  readonly resources: readonly ShownResource[];
  /** How many there are on all pages. */
  readonly total: number;
}

/**
 * What `name`, `label`, `uri`, `filter`, `page` and `page_size` leave of a collection,
 * which comes ordered by key. Paged it is ordered by creation. `references` are the
 * fields that `filter` may name.
 */
export async function selectListing(
  all: readonly ShownResource[],
  query: URLSearchParams,
  references: readonly string[] = [],
): Promise<Listing | AdminAnswer> {
  const kept = await filterResources(all, [...readFilters(query), ...readReferences(query, references)]);
  const page = readNumber(query.getAll("page"));
  const size = readNumber(query.getAll("page_size"));
  if (page === null || size === null) return { resources: kept, total: kept.length };
  if (size < 10 || size > 500) {
    return { ...refuse(400, ""), body: "page_size must be between 10 and 500" };
  }
  const start = (Math.max(1, Math.floor(page)) - 1) * Math.floor(size);
  const ordered = [...kept].sort((a, b) => a.createdIndex - b.createdIndex);
  return { resources: ordered.slice(start, start + Math.floor(size)), total: kept.length };
}

/** Resources that are looked at before others get a turn: this thread also feeds the workers. */
const AT_ONCE = 500;

async function filterResources(
  all: readonly ShownResource[],
  filters: readonly Filter[],
): Promise<readonly ShownResource[]> {
  if (filters.length === 0) return all;
  const kept: ShownResource[] = [];
  for (const [index, resource] of all.entries()) {
    if (index % AT_ONCE === AT_ONCE - 1) await setImmediate();
    if (filters.every((matches) => matches(resource.value))) kept.push(resource);
  }
  return kept;
}

type Filter = (value: unknown) => boolean;

function readFilters(query: URLSearchParams): readonly Filter[] {
  const filters: Filter[] = [];
  const name = query.get("name");
  const label = query.get("label");
  const uri = query.get("uri");
  if (name !== null) {
    const search = compileSearch(name);
    filters.push((value) => isFields(value) && search(typeof value.name === "string" ? value.name : ""));
  }
  if (label !== null) {
    filters.push((value) => isFields(value) && isFields(value.labels) && Object.hasOwn(value.labels, label));
  }
  if (uri !== null) {
    const search = compileSearch(uri);
    filters.push((value) => isFields(value) && urisOf(value).some(search));
  }
  return filters;
}

/**
 * The conditions of `filter`, a query string within the query (`service_id%3D1`). Fields
 * that cannot be asked for are passed over, as in APISIX; of several values of a field the last counts.
 */
function readReferences(query: URLSearchParams, fields: readonly string[]): readonly Filter[] {
  const wanted = new URLSearchParams(query.get("filter") ?? "");
  return fields
    .filter((field) => wanted.has(field))
    .map((field) => {
      const id = wanted.getAll(field).at(-1);
      return (value) => isFields(value) && isId(value[field]) && String(value[field]) === id;
    });
}

/** Ids may be written as numbers, which mean the same. */
const isId = (value: unknown): value is string | number => typeof value === "string" || typeof value === "number";

function urisOf({ uri, uris }: Readonly<Record<string, unknown>>): readonly string[] {
  const all: readonly unknown[] = [uri, ...(Array.isArray(uris) ? uris : [])];
  return all.filter((one) => typeof one === "string");
}

/** A number as Lua reads one; `null` where it is none, or more than one. */
function readNumber([text, ...more]: readonly string[]): number | null {
  if (text === undefined || more.length > 0 || !/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text)) return null;
  const number = Number(text);
  return Number.isFinite(number) ? number : null;
}

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import type { Route } from "../schema/route.ts";
import { RememberedHost } from "./remembered-host.ts";
import type { RouteEntry } from "./route-entry.ts";
import { RouteTable } from "./route-table.ts";
import type { RouterKind } from "./router.ts";
import { request } from "./testing.ts";

/**
 * The router against a naive scan that implements the documented precedence word
 * by word, over random tables and random sequences of changes.
 */

interface ModelRoute {
  readonly uris: readonly string[];
  readonly hosts?: readonly string[];
  readonly methods?: readonly string[];
  readonly remote_addrs?: readonly string[];
  readonly priority: number;
  readonly status: 0 | 1;
  readonly service_id?: string;
}

interface ModelRequest {
  readonly uri: string;
  readonly host: string;
  readonly method: string;
  readonly remoteAddr: string;
}

type Operation =
  | { readonly type: "route"; readonly id: string; readonly value: ModelRoute }
  | { readonly type: "service"; readonly id: string; readonly hosts: readonly string[] | undefined }
  | { readonly type: "remove"; readonly kind: "routes" | "services"; readonly id: string };

const exactUris = ["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/abc", "/b/a", "/é"];
const starUris = ["/*", "/a*", "/a/*", "/a/b/*", "/ab*", "/abc*", "/b/*", "/a/*/c", "/a/*/b/*", "/*/c", "/a/b*c"];
const parameterUris = ["/:x", "/a/:x", "/a/:x/c", "/a/:x/:y", "/a/b/:x", "/:x/b", "/a/:x/*y", "/*y/:x", "/a:x"];
const uris = exactUris.concat(starUris, parameterUris);
const hosts = ["a.com", "b.a.com", "*.a.com", "*a.com", "*.b.a.com", "*.com", "*", "A.Com", "c.org"];
const addresses = [["10.0.0.0/8"], ["10.1.2.3", "::1"], ["2001:db8::/33"]];

const routeArbitrary: fc.Arbitrary<ModelRoute> = fc.record(
  {
    uris: fc.uniqueArray(fc.constantFrom(...uris), { minLength: 1, maxLength: 3 }),
    priority: fc.integer({ min: -1, max: 2 }),
    status: fc.constantFrom(1, 1, 1, 1, 0 as const),
    hosts: fc.uniqueArray(fc.constantFrom(...hosts), { minLength: 1, maxLength: 3 }),
    methods: fc.uniqueArray(fc.constantFrom("GET", "POST"), { maxLength: 2 }),
    remote_addrs: fc.constantFrom(...addresses),
    service_id: fc.constantFrom("s1", "s2"),
  },
  { requiredKeys: ["uris", "priority", "status"] },
);

const operationArbitrary: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("route" as const),
      id: fc.integer({ min: 1, max: 14 }).map(String),
      value: routeArbitrary,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("remove" as const),
      kind: fc.constant("routes" as const),
      id: fc.integer({ min: 1, max: 14 }).map(String),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("service" as const),
      id: fc.constantFrom("s1", "s2"),
      hosts: fc.option(fc.uniqueArray(fc.constantFrom(...hosts), { minLength: 1, maxLength: 2 }), { nil: undefined }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("remove" as const),
      kind: fc.constant("services" as const),
      id: fc.constantFrom("s1", "s2"),
    }),
  },
);

const requests: readonly ModelRequest[] = [
  "/",
  "/a",
  "/a/",
  "/a/b",
  "/a/b/",
  "/a/b/c",
  "/a/x/c",
  "/a/x/b/y",
  "/ab",
  "/abc",
  "/abcd",
  "/b",
  "/b/",
  "/b/c",
  "/é",
  "/zz",
].flatMap((uri) =>
  ["", "a.com", "b.a.com", "x.b.a.com", "xa.com", "d.com", "c.org"].flatMap((host) =>
    ["GET", "POST"].flatMap((method) =>
      ["10.1.2.3", "192.168.0.1", "::1", "2001:db8::1"].map((remoteAddr) => ({ uri, host, method, remoteAddr })),
    ),
  ),
);

/** Rank of a way to match, compared from the left; the highest wins. */
type Rank = readonly [hostClass: number, hostLength: number, exactUri: number, prefix: number, priority: number];

function rankUri(uri: string, path: string, parameters: boolean): readonly [number, number] | null {
  if (parameters && uri.includes(":")) return rankParameters(uri, path);
  const star = uri.indexOf("*");
  if (star < 0) return uri === path ? [1, 0] : null;
  const wanted = uri
    .split("/")
    .map((segment) => (segment.startsWith("*") ? "(.|\n)*" : segment.replaceAll("*", "\\*")))
    .join("/");
  const prefixOnly = star === uri.length - 1 || !wanted.includes("(.|\n)*");
  const matches = prefixOnly ? path.startsWith(uri.slice(0, star)) : new RegExp(`^${wanted}$`).test(path);
  return matches ? [0, star] : null;
}

/** What counts before the priority is the text before the first parameter. */
function rankParameters(uri: string, path: string): readonly [number, number] | null {
  const wanted = uri
    .split("/")
    .map((segment) => (segment.startsWith(":") ? "[^/]+" : segment.startsWith("*") ? ".*" : segment));
  // A colon within a segment ends the prefix, and what follows it is not looked at.
  const isPrefix = !/\/[:*]/.test(uri);
  const pattern = isPrefix ? uri.slice(0, uri.search(/[:*]/)) : `${wanted.join("/")}$`;
  return new RegExp(`^${pattern}`, "s").test(path) ? [0, uri.search(/[:*]/)] : null;
}

function rankHost(pattern: string, host: string): readonly [number, number] | null {
  const lower = pattern.toLowerCase();
  if (!lower.startsWith("*")) return lower === host ? [2, 0] : null;
  return host.endsWith(lower.slice(1)) ? [1, lower.length] : null;
}

function scan(
  routes: ReadonlyMap<string, ModelRoute>,
  services: ReadonlyMap<string, readonly string[] | undefined>,
  router: RouterKind,
  asked: ModelRequest,
): string {
  const byHost = router === "radixtree_host_uri";
  const parameters = router === "radixtree_uri_with_parameter";
  let best: { id: string; uri: string; rank: Rank } | null = null;
  for (const [id, candidate] of routes) {
    if (candidate.status === 0) continue;
    if (candidate.methods !== undefined && candidate.methods.length > 0 && !candidate.methods.includes(asked.method)) {
      continue;
    }
    if (candidate.remote_addrs !== undefined && !allows(candidate.remote_addrs, asked.remoteAddr)) continue;
    const named = candidate.hosts ?? services.get(candidate.service_id ?? "");
    const hostRanks = named === undefined ? [[0, 0] as const] : named.map((host) => rankHost(host, asked.host));
    for (const hostRank of hostRanks) {
      if (hostRank === null) continue;
      for (const uri of candidate.uris) {
        const uriRank = rankUri(uri, asked.uri, parameters);
        if (uriRank === null) continue;
        const rank: Rank = [...(byHost ? hostRank : ([0, 0] as const)), ...uriRank, candidate.priority];
        if (best === null || beats({ id, uri, rank }, best)) best = { id, uri, rank };
      }
    }
  }
  return best?.id ?? "";
}

function beats(
  a: { readonly id: string; readonly uri: string; readonly rank: Rank },
  b: { readonly id: string; readonly uri: string; readonly rank: Rank },
): boolean {
  for (let i = 0; i < a.rank.length; i++) {
    if (a.rank[i] !== b.rank[i]) return (a.rank[i] ?? 0) > (b.rank[i] ?? 0);
  }
  if (a.uri.length !== b.uri.length) return a.uri.length > b.uri.length;
  return Number(a.id) < Number(b.id);
}

/** Worked out by hand for the few addresses in use. */
function allows(ranges: readonly string[], address: string): boolean {
  if (ranges === addresses[0]) return address === "10.1.2.3";
  if (ranges === addresses[1]) return address === "10.1.2.3" || address === "::1";
  return address === "2001:db8::1";
}

for (const router of ["radixtree_host_uri", "radixtree_uri", "radixtree_uri_with_parameter"] as const) {
  test(`${router} agrees with a naive scan through every sequence of changes`, () => {
    let comparisons = 0;
    fc.assert(
      fc.property(
        fc.array(operationArbitrary, { minLength: 10, maxLength: 50, size: "max" }),
        fc.nat(),
        (operations, start) => {
          const routes = new Map<string, ModelRoute>();
          const services = new Map<string, readonly string[] | undefined>();
          const table = new RouteTable(
            router,
            (id) => services.get(id) ?? null,
            () => undefined,
          );
          // Every second request comes with its host remembered, from one change to the next.
          const remembered = new Map(requests.map(({ host }) => [host, new RememberedHost<RouteEntry>()]));
          let next = start % requests.length;
          for (const operation of operations) {
            perform(operation, routes, services, table);
            for (let i = 0; i < 50; i++) {
              // Steps through all requests in an order that mixes them: 101 and their number have no common factor.
              next = (next + 101) % requests.length;
              const asked = requests[next] as ModelRequest;
              const expected = scan(routes, services, router, asked);
              const host = i % 2 === 0 ? null : (remembered.get(asked.host) ?? null);
              assert.equal(table.match(request(asked), host)?.id ?? "", expected, JSON.stringify(asked));
              comparisons++;
            }
          }
        },
      ),
      { numRuns: times(300, 100) },
    );
    // In full for three routers: a million comparisons and more.
    assert.ok(comparisons >= times(340_000, 110_000), `${comparisons} comparisons`);
  });
}

function perform(
  operation: Operation,
  routes: Map<string, ModelRoute>,
  services: Map<string, readonly string[] | undefined>,
  table: RouteTable,
): void {
  const { type, id } = operation;
  if (type === "route") {
    routes.set(id, operation.value);
    table.set(id, "", { id, ...operation.value } as Route);
  } else if (type === "remove" && operation.kind === "routes") {
    routes.delete(id);
    table.set(id, null, null);
  } else {
    if (type === "service") services.set(id, operation.hosts);
    else services.delete(id);
    table.serviceHostsChanged(id);
  }
}

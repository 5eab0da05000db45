import assert from "node:assert/strict";
import { test } from "node:test";
import type { Route } from "../schema/route.ts";
import { RememberedHost } from "./remembered-host.ts";
import type { RouteEntry } from "./route-entry.ts";
import { RouteTable } from "./route-table.ts";
import { request } from "./testing.ts";

type Conf = Pick<Route, "uri" | "host"> & { readonly id: string };

function tableOf(...routes: readonly Conf[]): RouteTable {
  const table = new RouteTable(
    "radixtree_host_uri",
    () => null,
    () => undefined,
  );
  for (const route of routes) put(table, route);
  return table;
}

function put(table: RouteTable, route: Conf): void {
  table.set(route.id, "", { priority: 0, status: 1, ...route });
}

test("a remembered host finds the tables of hosts that come and go", () => {
  const table = tableOf({ id: "any", uri: "/*" });
  const host = new RememberedHost<RouteEntry>();
  const found = (): string | undefined => table.match(request({ uri: "/x", host: "b.a.com" }), host)?.id;
  assert.equal(found(), "any");
  put(table, { id: "wild", uri: "/*", host: "*.a.com" });
  assert.equal(found(), "wild");
  put(table, { id: "own", uri: "/x", host: "b.a.com" });
  assert.equal(found(), "own");
  put(table, { id: "own", uri: "/x", host: "c.a.com" });
  assert.equal(found(), "wild");
  table.set("wild", null, null);
  assert.equal(found(), "any");
});

test("a change of the only route of a host leaves what is remembered of hosts true", () => {
  const table = tableOf({ id: "1", uri: "/a", host: "a.com" }, { id: "2", uri: "/*", host: "*.b.com" });
  const host = new RememberedHost<RouteEntry>();
  const found = (): string | undefined => table.match(request({ uri: "/b", host: "a.com" }), host)?.id;
  assert.equal(found(), undefined);
  const { era } = host;
  put(table, { id: "1", uri: "/b", host: "a.com" });
  put(table, { id: "2", uri: "/x", host: "*.b.com" });
  assert.equal(found(), "1");
  assert.equal(host.era, era);
});

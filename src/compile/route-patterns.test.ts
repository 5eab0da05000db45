import assert from "node:assert/strict";
import { test } from "node:test";
import { routePatterns } from "./route-patterns.ts";

test("of several paths and hosts it is told which one took the request", () => {
  const uris = ["/*", "/a/*", "/a/b", "/c/:id/d"];
  const { uriOf, hostOf } = routePatterns(uris, ["*.foo.com", "bar.com", "*.a.foo.com"]);
  const shown = (path: string): string | undefined => uris[uriOf(path)];
  assert.deepEqual(["/a/b", "/a/c", "/x", "/c/1/d", "/c/1/e"].map(shown), ["/a/b", "/a/*", "/*", "/c/:id/d", "/*"]);
  assert.deepEqual(["bar.com", "x.foo.com", "x.a.foo.com"].map(hostOf), [1, 0, 2]);
});

test("a single path and no host need no look", () => {
  const { uriOf, hostOf } = routePatterns(["/only"], []);
  assert.deepEqual([uriOf("/only"), hostOf("any.com")], [0, 0]);
});

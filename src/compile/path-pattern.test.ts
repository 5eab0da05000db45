import assert from "node:assert/strict";
import { test } from "node:test";
import { captureTokens, matchesTokens, parsePathPattern } from "./path-pattern.ts";

function matches(uri: string, path: string, parameters: boolean): boolean {
  const { prefix, exact, tokens } = parsePathPattern(uri, parameters);
  if (exact) return path === prefix;
  return path.startsWith(prefix) && (tokens === null || matchesTokens(tokens, path));
}

const plain: readonly (readonly [uri: string, path: string, expected: boolean])[] = [
  ["/foo/*", "/foo/", true],
  ["/foo/*", "/foo", false],
  ["/bar*", "/bar", true],
  ["/bar*", "/barn", true],
  ["/a/*/z", "/a/b/c/z", true],
  ["/a/*/z", "/a//z", true],
  ["/a/*/z", "/a/z", false],
  ["/a/*/z", "/a/b/zz", false],
  ["/a/*rest", "/a/b/c", true],
  ["/*/b/*/d", "/x/b/c/b/y/d", true],
  ["/*/b/*/d", "/x/c/d", false],
  ["/a*b", "/axyz", true],
  ["/blog/:name", "/blog/:name", true],
  ["/blog/:name", "/blog/x", false],
];

const parameterised: typeof plain = [
  ["/blog/:name", "/blog/x", true],
  ["/blog/:name", "/blog/", false],
  ["/blog/:name", "/blog/x/y", false],
  ["/b/:x.html", "/b/1", true],
  ["/b/:x/c", "/b/1/c", true],
  ["/b/:x/c", "/b/1/d", false],
  ["/b/:x/*rest", "/b/1/", true],
  ["/b/:x/*rest", "/b/1/2/3", true],
  ["/b/:x/*rest", "/b/1", false],
  ["/b/*y/:x", "/b/1/2/3", true],
  ["/b/*y/:x", "/b/1/2/", false],
  ["/foo/*", "/foo/", true],
];

for (const [name, table, parameters] of [
  ["plain", plain, false],
  ["with parameters", parameterised, true],
] as const) {
  for (const [uri, path, expected] of table) {
    test(`${name}: ${uri} ${expected ? "takes" : "does not take"} ${path}`, () => {
      assert.equal(matches(uri, path, parameters), expected);
    });
  }
}

test("what parameters hold", () => {
  const captured = (uri: string, path: string): object => {
    const { tokens, names } = parsePathPattern(uri, true);
    const values = captureTokens(tokens ?? [], path);
    return Object.fromEntries((names ?? []).map((name, i) => [name, values[i]]));
  };
  assert.deepEqual(captured("/u/:id/:action", "/u/7/x y"), { id: "7", action: "x y" });
  assert.deepEqual(captured("/files/*path", "/files/a/b"), { path: "a/b" });
  assert.deepEqual(captured("/files/*path", "/files/"), { path: "" });
  assert.deepEqual(captured("/b/*y/:x", "/b/1/2/3"), { y: "1/2", x: "3" });
  assert.deepEqual(captured("/*a/b/*c", "/x/b/b/y"), { a: "x", c: "b/y" });
  assert.equal(parsePathPattern("/files/*", true).names, null);
  assert.equal(parsePathPattern("/files/*path", false).names, null);
});

test("a path made to go back often costs no more than its length times the pattern's", () => {
  const { tokens } = parsePathPattern("/*/a/*/a/*/a/*/b", false);
  assert.ok(tokens !== null);
  assert.equal(matchesTokens(tokens, "/a".repeat(4096)), false);
});

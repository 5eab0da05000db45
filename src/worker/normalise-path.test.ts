import assert from "node:assert/strict";
import { test } from "node:test";
import { normalisePath, withoutPathParameters } from "./normalise-path.ts";

test("paths become what nginx matches", () => {
  const cases: Record<string, string | null> = {
    "/": "/",
    "/a": "/a",
    "/a/": "/a/",
    "/a//b": "/a/b",
    "//": "/",
    "/a/./b": "/a/b",
    "/a/.": "/a/",
    "/a/..": "/",
    "/a/../b": "/b",
    "/a/b/../": "/a/",
    "/a/.../b": "/a/.../b",
    "/a/..b": "/a/..b",
    "/..": null,
    "/a/../..": null,
    "/a%2Fb": "/a/b",
    "/a%2f%2fb": "/a/b",
    "/%2e%2e/a": null,
    "/a/%2e%2e/b": "/b",
    "/a%252e": "/a%2e",
    "/a%20b": "/a b",
    "/a+b": "/a+b",
    "/a%3Fb": "/a?b",
    "/%E4%BD%A0": "/你",
    "/\xe4\xbd\xa0": "/你",
    "/%ff": "/\xff",
    "/%": null,
    "/%4": null,
    "/%4g": null,
    "/%00": null,
    "/%0a": "/\n",
  };
  for (const [path, expected] of Object.entries(cases)) assert.equal(normalisePath(path), expected, path);
});

test("parameters of segments", () => {
  assert.equal(withoutPathParameters("/a;x=1/b;y"), "/a/b");
  assert.equal(withoutPathParameters("/a/..;/b"), "/b");
  assert.equal(withoutPathParameters("/..;/b"), null);
});

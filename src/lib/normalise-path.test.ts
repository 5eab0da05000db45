import assert from "node:assert/strict";
import { test } from "node:test";
import { normalisePath, withEncodedSlashes, withoutPathParameters } from "./normalise-path.ts";

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

test("encoded slashes are kept where nothing else was normalised", () => {
  const cases: Record<string, string> = {
    "/a/b": "/a/b",
    "/a%2fb/c?x=%2F": "/a%2Fb/c",
    "/a%2Fb%20c": "/a%2Fb c",
    "/%E4%BD%A0%2F": "/你%2F",
    "/a//b%2Fc": "/a/b/c",
    "/a/..%2Fb": "/b",
    "/a/%2e%2e%2fb": "/b",
    "/a%2F%2Fb": "/a/b",
    "/a%252Fb": "/a%2Fb",
  };
  for (const [target, expected] of Object.entries(cases)) {
    const path = target.split("?")[0] ?? "";
    assert.equal(withEncodedSlashes(target, normalisePath(path) ?? ""), expected, target);
  }
});

test("parameters of segments", () => {
  assert.equal(withoutPathParameters("/a;x=1/b;y"), "/a/b");
  assert.equal(withoutPathParameters("/;x=1"), "/");
  assert.equal(withoutPathParameters("/a/...;x/;y"), "/a/.../");
  for (const path of ["/a/..;/b", "/..;/b", "/a/.;x=1", "/a/..;x", "/;x/b", "/a/;/b"]) {
    assert.equal(withoutPathParameters(path), null, path);
  }
});

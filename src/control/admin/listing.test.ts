import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { selectListing } from "./listing.ts";
import { compileSearch } from "./search-pattern.ts";
import { startAdmin } from "./testing.ts";

test("paging", async (t) => {
  const admin = await startAdmin(t);
  // Created from 12 down to 1, so that order of keys and order of creation differ.
  for (let n = 12; n >= 1; n--) {
    const id = `p${String(n).padStart(2, "0")}`;
    await admin.send("PUT", `/routes/${id}`, { uri: `/${id}`, plugins: {} });
  }
  const ids = async (query: string): Promise<readonly string[]> => {
    const { body } = await admin.send("GET", `/routes?${query}`);
    assert.equal(body.total, 12);
    return (body.list as { value: { id: string } }[]).map(({ value }) => value.id);
  };
  assert.deepEqual((await ids("")).slice(0, 2), ["p01", "p02"], "by key");
  assert.deepEqual((await ids("page=1&page_size=10")).slice(0, 2), ["p12", "p11"], "by creation");
  assert.deepEqual(await ids("page=2&page_size=10"), ["p02", "p01"]);
  assert.deepEqual(await ids("page=3&page_size=10"), []);
  assert.deepEqual(await ids("page=1.5&page_size=10.5"), await ids("page=1&page_size=10"));
  for (const query of ["page=0&page_size=10", "page=-1&page_size=1e1"]) assert.equal((await ids(query)).length, 10);
  for (const query of ["page=1", "page_size=10", "page=x&page_size=10", "page=1&page=2&page_size=10"]) {
    assert.equal((await ids(query)).length, 12, query);
  }
  for (const size of ["9", "501", "0"]) {
    const answer = await admin.send("GET", `/routes?page=1&page_size=${size}`);
    assert.equal(answer.status, 400);
    assert.equal(answer.text, "page_size must be between 10 and 500");
  }
});

test("filters", async () => {
  const resource = (id: string, value: object): Parameters<typeof selectListing>[0][number] => ({
    key: id,
    value: { id, ...value },
    createdIndex: 1,
    modifiedIndex: 1,
  });
  const all = [
    resource("1", { uri: "/apple/1", name: "Alpha", labels: { env: "prod", team: "x" } }),
    resource("2", { uris: ["/banana", "/apple/2"], name: "beta", labels: { env: "dev" } }),
    resource("3", { uri: "/cherry", service_id: 7, upstream_id: "u" }),
    resource("4", { uri: 7, name: null, labels: [], service_id: "7" }),
  ];
  for (const [query, found] of [
    ["name=Alpha", "1"],
    ["name=alpha", ""],
    ["name=a", "12"],
    ["name=^A", "1"],
    ["name=[", ""],
    ["name=nil", ""],
    ["name=", "1234"],
    ["label=env", "12"],
    ["label=env:prod", ""],
    ["label=toString", ""],
    ["uri=^/apple", "12"],
    ["uri=/cherry$", "3"],
    ["name=a&label=team&uri=apple", "1"],
    ["nonsense=1", "1234"],
    ["filter=service_id%3D7", "34"],
    ["filter=service_id%3D7%26upstream_id%3Du", "3"],
    ["filter=service_id%3D7&uri=cherry", "3"],
    ["filter=service_id%3D", ""],
    ["filter=service_id", ""],
    ["filter=service_id%3Dx%26service_id%3D7", "34"],
    ["filter=upstream_id%3D7", ""],
    ["filter=name%3Dnobody", "1234"],
    ["filter=", "1234"],
  ] as const) {
    const listing = await selectListing(all, new URLSearchParams(query), ["service_id", "upstream_id"]);
    assert.ok("resources" in listing);
    assert.equal(listing.resources.map(({ key }) => key).join(""), found, query);
  }
});

test("a search finds what JavaScript's engine finds", () => {
  const piece = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\w", "(ab|b)", "(?:a|)", "^", "$", "\\b", "\\.");
  const suffix = fc.constantFrom("", "", "*", "+", "?", "{2}", "{1,3}", "*?");
  const patterns = fc
    .array(fc.tuple(piece, suffix), { maxLength: 6 })
    .map((parts) => parts.map(([one, repeat]) => (/^(\^|\$|\\b)$/.test(one) ? one : one + repeat)).join(""));
  const texts = fc.string({ unit: fc.constantFrom("a", "b", ".", " "), maxLength: 10 });
  fc.assert(
    fc.property(patterns, texts, (pattern, text) => {
      assert.equal(compileSearch(pattern)(text), new RegExp(pattern).test(text), `${pattern} in ${text}`);
    }),
  );
});

test("no pattern is costly, and what an automaton cannot do finds nothing", () => {
  const subject = `${"a".repeat(4000)}!`;
  for (const [pattern, found] of [
    ["(a+)+$", false],
    ["(a|a)*b", false],
    [".*.*.*.*.*x", false],
    ["(a*)*!", true],
    ["(){99999999999}x", false],
    ["(((a{2000}){2000}){2000})", false],
    [`${"(".repeat(120)}a${")".repeat(120)}`, true],
    ["(a)\\1", false],
    ["(?=a)a", false],
    ["a".repeat(300), false],
    ["*", false],
  ] as const) {
    assert.equal(compileSearch(pattern)(subject), found, pattern);
  }
});

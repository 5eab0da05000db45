import * as fc from "fast-check";
import { certificate, privateKey } from "./certificate.ts";

/** Test support: valid resources, and what somebody might make of them. */

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

/** Values that some part of the gateway could take for something else, or choke on. */
const rows: readonly (readonly Json[])[] = [
  [null, true, false, 0, -1, 1, 0.5, 0.3, 7, 60, 65_535, 65_536, 2 ** 32, 2 ** 53, 1e300, -1e300],
  [[], {}, [[]], [{}], [null], { a: null }, { "": 1 }, { ":": 1 }, { "a:0": 1 }, { "[::1]": 1 }],
  ["", " ", "0", "\u0000", "\n", "a\r\nb: c", "é", "\ud800", "\u{1f4a5}", "a".repeat(300), "x".repeat(70_000)],
  ["__proto__", "constructor", "toString", "hasOwnProperty", "$", "$arg_", "$arg_a", "${", "${}", "${arg_a", "$1"],
  [
    "$post_arg.",
    "${post_arg.a ?? b}",
    "$post_arg.a[",
    "$post_arg.$..a",
    "post_arg.a[*",
    "graphql_name",
    "$remote_addr$",
  ],
  ["(", "[", "(a+)+$", "(?", "(?<a>x)", "\\", "\\1", "[[:alpha:]]", "(a)|".repeat(5_000), "(".repeat(3_000)],
  ["*", "**", "*.", "/", "//", "/*", "/:", "/:x", "/*x/*y", "/a/../b", "/%2", "/%00", "%", ".", "..", "-", "=="],
  ["http://", "https://[", "http://127.0.0.1:1", "127.0.0.1/33", "127.0.0.1:99999", "::", "[::1]:80", "[::", "::/129"],
  [["==", 1], ["arg_a", "in", 1], [["arg_a", "==", null]], ["OR"], [["a"]], ["!AND", ["arg_b", "has", {}]]],
  ["() => { throw 1 }", "return function() end", "$http_", certificate, privateKey],
  [JSON.parse(nested(60)) as Json, JSON.parse(nested(200)) as Json, JSON.parse('{"__proto__":{"a":1}}') as Json],
  [Array<Json>(2_000).fill("a"), Array.from({ length: 300 }, () => ({ host: "a", port: 1, weight: 1 }))],
];
const values = rows.flat();
const texts = values.filter((value) => typeof value === "string");

/** One place of a resource and what becomes of it: a value of its own, or one that stands elsewhere. */
const edit = fc.record({
  place: fc.nat(),
  with: fc.nat(),
  how: fc.constantFrom("replace", "replace", "replace", "borrow", "remove", "add", "insert", "repeat"),
});

/** Edits of a resource, a few at most. */
export const edits = fc.array(edit, { minLength: 1, maxLength: 3 });

type Edit = (typeof edits extends fc.Arbitrary<infer List> ? List : never)[number];

/** The resource after the edits. @param pool what may stand in the place of something else. */
export function edited(resource: Json, all: readonly Edit[], pool: readonly Json[]): Json {
  const value = structuredClone(resource);
  for (const { place, with: index, how } of all) {
    const places = placesOf(value);
    const found = places[place % Math.max(1, places.length)];
    if (found === undefined) break;
    const [holder, key] = found;
    const own = structuredClone(values[index % values.length]!);
    const before = holder[key];
    if (how === "replace") put(holder, key, own);
    else if (how === "borrow") put(holder, key, structuredClone(pool[index % pool.length]!));
    else if (how === "remove" && Array.isArray(holder)) holder.splice(Number(key), 1);
    else if (how === "remove") delete holder[key];
    else if (how === "add" && Array.isArray(holder)) holder.push(own);
    else if (how === "add") put(holder, texts[index % texts.length]!, own);
    else if (how === "insert" && typeof before === "string") {
      const at = index % (before.length + 1);
      put(holder, key, `${before.slice(0, at)}${texts[place % texts.length]}${before.slice(at)}`);
    } else if (Array.isArray(before)) put(holder, key, [...before, ...before]);
  }
  return value;
}

type Holder = Json[] & { [name: string]: Json };

function put(holder: Holder, key: string, value: Json): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Every place that holds a value, from the outside in. */
function placesOf(value: Json): (readonly [holder: Holder, key: string])[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.keys(value).flatMap((key) => {
    const holder = value as Holder;
    return [[holder, key] as const, ...placesOf(holder[key]!)];
  });
}

/** Every value within another, as edits may borrow it. */
export function partsOf(value: Json): readonly Json[] {
  return placesOf(value).map(([holder, key]) => holder[key]!);
}

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { Route } from "../schema/route.ts";
import { RouteTable } from "./route-table.ts";
import type { RouterKind } from "./router.ts";
import { request } from "./testing.ts";

/**
 * Many routes of one path, which are found by what they demand, against the same routes
 * one by one: of those that match alone, the first in the documented order is taken. Fewer
 * routes would be matched in another way, so failures are not made smaller.
 */

const one = fc.constantFrom("a", "b", "1", "01", "");
const name = fc.constantFrom("http_x", "http_y", "arg_x", "remote_addr", "uri_param_x", "host");
const pattern = fc.constantFrom(
  "^a",
  "^a$",
  "a",
  "^(a|b)$",
  "^(?:0|)1",
  "(?i)^A",
  "^[ab]",
  "^a|^b",
  "^a|b",
  "^1?",
  "^01",
  "^tr",
);
const condition: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(name, fc.constant("=="), one) },
  { weight: 2, arbitrary: fc.tuple(name, fc.constant("=="), fc.constantFrom(0, 1, 1.5)) },
  { weight: 2, arbitrary: fc.tuple(name, fc.constant("=="), fc.constantFrom(null, true)) },
  { weight: 2, arbitrary: fc.tuple(name, fc.constantFrom("in", "IN"), fc.array(one, { maxLength: 40 })) },
  { weight: 1, arbitrary: fc.tuple(name, fc.constant("in"), fc.array(fc.constantFrom(1, "a"))) },
  { weight: 1, arbitrary: fc.tuple(name, fc.constant("!"), fc.constant("=="), one) },
  { weight: 3, arbitrary: fc.tuple(name, fc.constantFrom("~~", "~*"), pattern) },
);
const several = fc.array(condition, { minLength: 2, maxLength: 3 });
const vars = fc.oneof(
  fc.array(condition, { minLength: 1, maxLength: 3 }),
  fc.tuple(fc.constantFrom("AND", "and", "OR", "!AND"), several).map(([logic, rules]) => [logic, ...rules]),
  fc.tuple(fc.constantFrom("OR", "AND", "!OR"), several).map(([logic, rules]) => [[logic, ...rules], rules[0]]),
  fc.tuple(several, several).map(([these, those]) => [these, ["AND", ["or", ...these], ...those]]),
);
const host = fc.constantFrom("a.com", "b.a.com", "*.a.com", "*a.com", "*.com", "*", "a.com:80", "::1", "com");
const uris: Readonly<Record<RouterKind, readonly string[]>> = {
  radixtree_host_uri: ["/*", "/*/b", "/*x/b/*"],
  radixtree_uri: ["/*", "/*/b"],
  radixtree_uri_with_parameter: ["/*", "/:x", "/:x/b", "/:x/b/:y", "/:x/c/:y", "/:x/b/*y", "/:x/b/", "/*x/b", "/::"],
};
const headers: readonly Readonly<Record<string, string>>[] = [
  {},
  { x: "a" },
  { x: "1", y: "b" },
  { x: "01" },
  { x: "", y: "a" },
];
const requests: readonly RequestContext[] = ["/a", "/a/b", "/a/b/", "/a/b/1", "/b/c/1?x=1", "/1/b?x", "/?x=b"].flatMap(
  (uri) =>
    headers.map((sent, i) =>
      request({
        uri,
        headers: { ...sent, host: "a.com:80" },
        host: ["a.com", "b.a.com", "c.b.a.com", "[::1]", ""][i] ?? "",
        remoteAddr: i % 2 === 0 ? "10.0.0.1" : "::1",
      }),
    ),
);

for (const router of ["radixtree_host_uri", "radixtree_uri", "radixtree_uri_with_parameter"] as const) {
  const route = fc.record(
    {
      uri: fc.constantFrom(...uris[router]),
      priority: fc.integer({ min: 0, max: 2 }),
      vars,
      hosts: router === "radixtree_host_uri" ? fc.constant(["*"]) : fc.array(host, { minLength: 1, maxLength: 3 }),
      remote_addrs: fc.array(fc.constantFrom("10.0.0.1", "10.0.0.2", "::1", "10.0.0.0/8"), { minLength: 1 }),
      service_id: fc.constantFrom("s", "t"),
    },
    { requiredKeys: ["uri", "priority", ...(router === "radixtree_host_uri" ? (["hosts"] as const) : [])] },
  );
  const step = fc.record({ id: fc.integer({ min: 1, max: 60 }).map(String), route: fc.option(route, { freq: 4 }) });
  const change = fc.record({ service: fc.constantFrom("s", "t"), hosts: fc.option(fc.tuple(host)) });

  test(`${router}: many routes of one path are matched as if one by one`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 30, arbitrary: step }, { weight: 1, arbitrary: change }), {
          minLength: 100,
          maxLength: 250,
          size: "max",
        }),
        (steps) => {
          const services = new Map<string, readonly string[] | null>();
          const build = (): RouteTable =>
            new RouteTable(
              router,
              (id) => services.get(id) ?? null,
              () => undefined,
            );
          const table = build();
          const routes = new Map<string, Route>();
          steps.forEach((one, i) => {
            if ("service" in one) {
              // In the router by host, hosts would put routes into other lists.
              if (router === "radixtree_host_uri") return;
              services.set(one.service, one.hosts);
              table.serviceHostsChanged(one.service);
            } else {
              const { id } = one;
              const conf = one.route === null ? null : ({ id, status: 1, ...one.route } as unknown as Route);
              if (conf === null) routes.delete(id);
              else routes.set(id, conf);
              table.set(id, conf === null ? null : "", conf);
            }
            if (i % 40 !== 0 && i !== steps.length - 1) return;
            const alone = [...routes.values()].sort(inOrder).map((conf) => {
              const single = build();
              single.set(conf.id, "", conf);
              return single;
            });
            for (const ctx of requests) {
              ctx.values.clear();
              const found = table.match(ctx, null)?.id;
              const parameters = new Map(ctx.values);
              ctx.values.clear();
              assert.equal(
                found,
                alone.map((single) => single.match(ctx, null)?.id).find((id) => id !== undefined),
              );
              ctx.values.clear();
              if (found !== undefined) alone.find((single) => single.match(ctx, null)?.id === found);
              assert.deepEqual(parameters, ctx.values);
            }
          });
        },
      ),
      { numRuns: times(100, 30), endOnFailure: true },
    );
  });
}

function inOrder(a: Route, b: Route): number {
  const [left, right] = [a.uri ?? "", b.uri ?? ""];
  return b.priority - a.priority || right.length - left.length || Number(a.id) - Number(b.id);
}

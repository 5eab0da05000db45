import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest } from "../plugin/fake-request.ts";
import type { Reply } from "../plugin/plugin.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { trafficSplit } from "./traffic-split.ts";

const upstream = { type: "roundrobin", nodes: { "127.0.0.1:1980": 1 } };
const env = { ...buildEnv(), upstreamById: (id: string) => (id === "two" ? { key: "upstreams/two" } : null) };

const check = { plugin: () => undefined, schemaFault: () => null };

/** Keys of the upstreams that requests for these targets are led to; `-`: the route's. */
function led(rules: unknown, ...targets: readonly string[]): readonly string[] {
  const handlers = compileChecked(trafficSplit, { rules }, env);
  return targets.map((target) => {
    const ctx = buildRequest({ target });
    const answer = handlers.access?.(ctx) as Reply | undefined;
    return answer === undefined ? (ctx.upstream.choice?.key ?? "-") : `${answer.status} ${String(answer.body)}`;
  });
}

test("weights are exact, and nothing goes where the weight is 0", () => {
  const six = Array<string>(6).fill("/");
  const weighted = [{ weighted_upstreams: [{ upstream, weight: 2 }, { weight: 1 }] }];
  assert.deepEqual(led(weighted, ...six), ["0.0", "-", "0.0", "0.0", "-", "0.0"]);
  const none = [{ weighted_upstreams: [{ upstream_id: "two", weight: 0 }, { weight: 1 }] }];
  assert.deepEqual(led(none, ...six), Array<string>(6).fill("-"));
  assert.deepEqual(led([{ weighted_upstreams: [{ upstream_id: "two", weight: 0 }] }], "/"), ["-"]);
});

test("the first rule that matches decides; entries of match are alternatives", () => {
  const is = (name: string) => ({ vars: [[`arg_${name}`, "==", "1"]] });
  const rules = [
    { match: [is("a"), is("b")], weighted_upstreams: [{ upstream_id: "two" }] },
    { match: [is("c")], weighted_upstreams: [{ upstream }] },
  ];
  const keys = led(rules, "/?a=1", "/?b=1", "/?c=1", "/?a=1&c=1", "/?d=1");
  assert.deepEqual(keys, ["upstreams/two", "upstreams/two", "1.0", "upstreams/two", "-"]);
  assert.deepEqual(led([], "/"), ["-"]);
  assert.deepEqual(led([{}], "/"), ["-"]);
});

test("an upstream that is not there is an error", () => {
  const text = "failed to fetch upstream info by upstream id: nope";
  assert.deepEqual(led([{ weighted_upstreams: [{ upstream_id: "nope" }] }], "/"), [`500 ${text}`]);
});

test("conditions over the body are told, and broken ones refused", () => {
  const match = (vars: unknown) => ({ rules: [{ match: [{ vars }] }] });
  assert.deepEqual(compileChecked(trafficSplit, match([["post_arg_id", "==", "1"]])).bodyUses, ["post_arg"]);
  assert.match(trafficSplit.checkConf?.(match([["a", "??", "b"]]), check) ?? "", /'vars'/);
  const hashed = { rules: [{ weighted_upstreams: [{ upstream: { ...upstream, type: "chash" } }] }] };
  assert.equal(trafficSplit.checkConf?.(hashed, check), "missing key");
});

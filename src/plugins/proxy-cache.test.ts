import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { buildConsumer, buildRequest, buildResponseHead } from "../plugin/fake-request.ts";
import type { PluginHandlers, Reply } from "../plugin/plugin.ts";
import { compileChecked } from "./checked-plugin.ts";
import { proxyCache } from "./proxy-cache.ts";

let count = 0;

/** A cache of its own, by a key that no other test has. */
function cache(conf: object = {}): PluginHandlers {
  const key = { cache_key: ["$uri", `own ${count++}`] };
  return compileChecked(proxyCache, { cache_strategy: "memory", cache_zone: "memory_cache", ...key, ...conf });
}

interface Sent {
  readonly request?: Parameters<typeof buildRequest>[0];
  readonly headers?: readonly (readonly [string, string])[];
  readonly status?: number;
  readonly consumer?: string;
  /** The answer breaks off. */
  readonly broken?: boolean;
}

/** What a request gets: `HIT` and so on with the body that was kept, or what the node answers with. */
function ask(handlers: PluginHandlers, body: string, sent: Sent = {}): string {
  const ctx = buildRequest(sent.request);
  if (sent.consumer !== undefined) ctx.authenticate(buildConsumer(sent.consumer));
  const kept = handlers.access?.(ctx) as Reply | undefined;
  if (kept !== undefined && ctx.method === "PURGE") return String(kept.status);
  const head = buildResponseHead(kept?.status ?? sent.status ?? 200, sent.headers ?? [], kept === undefined);
  handlers.header_filter?.(ctx, head);
  const bytes = Buffer.from(kept === undefined ? body : kept.body);
  handlers.body_filter?.(ctx, bytes, false);
  if (sent.broken !== true) handlers.body_filter?.(ctx, Buffer.alloc(0), true);
  handlers.log?.(ctx);
  const age = kept?.headers.find(([name]) => name === "Age")?.[1];
  return [head.header("apisix-cache-status"), bytes.toString(), ...(age === undefined ? [] : [`age ${age}`])].join(" ");
}

/** Moves the monotonic clock. */
function tick(t: TestContext, seconds: number): void {
  const now = process.hrtime.bigint.bind(process.hrtime);
  t.mock.method(process.hrtime, "bigint", () => now() + BigInt(seconds) * 1_000_000_000n);
}

test("an answer is kept for its time, for GET and HEAD, and purged", (t) => {
  const handlers = cache({ cache_ttl: 5 });
  assert.equal(ask(handlers, "1"), "MISS 1");
  assert.equal(ask(handlers, "2"), "HIT 1 age 0");
  assert.equal(ask(handlers, "2", { request: { method: "HEAD" } }), "HIT 1 age 0");
  assert.equal(ask(handlers, "2", { request: { method: "POST" } }), "MISS 2");
  assert.equal(ask(handlers, "3", { request: { target: "/other" } }), "MISS 3");
  assert.equal(ask(handlers, "", { request: { method: "PURGE" } }), "200");
  assert.equal(ask(handlers, "", { request: { method: "PURGE" } }), "404");
  assert.equal(ask(handlers, "4", { request: { method: "HEAD" } }), "MISS 4");
  assert.equal(ask(handlers, "5"), "MISS 5");
  tick(t, 6);
  assert.equal(ask(handlers, "6"), "EXPIRED 6");
});

test("what is not to be kept is not", () => {
  const twice = (conf: object, sent: Sent): void => {
    const handlers = cache(conf);
    ask(handlers, "1", sent);
    assert.match(ask(handlers, "2", sent), /^(?:MISS|BYPASS) 2$/);
  };
  twice({}, { status: 500 });
  twice({}, { headers: [["Set-Cookie", "a=1"]] });
  twice({}, { headers: [["Vary", "*"]] });
  twice({}, { broken: true });
  twice({ max_resp_body_size: 1 }, { request: { target: "/" }, status: 500 });
  twice({ no_cache: ["$arg_nc"] }, { request: { target: "/?nc=1" } });
  twice({ cache_bypass: ["$arg_b"] }, { request: { target: "/?b=1" } });
  twice({ cache_control: true }, { headers: [["Cache-Control", "private"]] });
  twice({ cache_control: true }, {});
  const long = cache({ max_resp_body_size: 3 });
  assert.deepEqual([ask(long, "long"), ask(long, "abc"), ask(long, "x")], ["MISS long", "MISS abc", "HIT abc age 0"]);
});

test("answers are told apart by consumers and by what they vary by", () => {
  const handlers = cache();
  assert.equal(ask(handlers, "ann", { consumer: "ann" }), "MISS ann");
  assert.equal(ask(handlers, "bob", { consumer: "bob" }), "MISS bob");
  assert.equal(ask(handlers, "", { consumer: "ann" }), "HIT ann age 0");
  const varying = cache();
  const by = (value: string): Sent => ({ request: { headers: [["X-V", value]] }, headers: [["Vary", "X-V"]] });
  assert.equal(ask(varying, "1", by("1")), "MISS 1");
  assert.equal(ask(varying, "2", by("2")), "MISS 2");
  assert.equal(ask(varying, "", by("1")), "HIT 1 age 0");
});

test("with cache_control the client's wishes count", () => {
  const handlers = cache({ cache_control: true });
  const headers = [["Cache-Control", "max-age=60"]] as const;
  const wish = (value: string): Sent => ({ request: { headers: [["Cache-Control", value]] }, headers });
  assert.match(ask(handlers, "", wish("only-if-cached")), /^MISS/);
  assert.equal(ask(handlers, "1", { headers }), "MISS 1");
  assert.equal(ask(handlers, "2", wish("no-store")), "BYPASS 2");
  assert.equal(ask(handlers, "3", wish("max-age=50")), "HIT 1 age 0");
  assert.equal(ask(handlers, "4", wish("min-fresh=100")), "STALE 4");
  assert.equal(ask(handlers, "5", wish("no-cache")), "STALE 5");
  assert.equal(ask(handlers, "6"), "HIT 5 age 0");
});

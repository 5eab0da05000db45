import assert from "node:assert/strict";
import { test } from "node:test";
import { buildConsumer, buildRequest, type FakeRequest } from "../plugin/fake-request.ts";
import { utf8Bytes } from "../plugin/header-text.ts";
import type { PluginDefinition, Reply } from "../plugin/plugin.ts";
import { compileChecked } from "./checked-plugin.ts";
import { consumerRestriction } from "./consumer-restriction.ts";
import { ipRestriction } from "./ip-restriction.ts";
import { refererRestriction } from "./referer-restriction.ts";
import { uaRestriction } from "./ua-restriction.ts";
import { uriBlocker } from "./uri-blocker.ts";

/** What the plugin answers: the status and the body, `null` where the request passes. */
function verdict(plugin: PluginDefinition, conf: object, request: FakeRequest): readonly [number, string] | null {
  const { access, rewrite } = compileChecked(plugin, conf);
  const answer = (access ?? rewrite)?.(request) as Reply | undefined;
  return answer === undefined ? null : [answer.status, String(answer.body)];
}

const passes = (plugin: PluginDefinition, conf: object, request: FakeRequest): boolean =>
  verdict(plugin, conf, request) === null;
const withHeader = (name: string, ...values: readonly string[]): FakeRequest =>
  buildRequest({ headers: values.map((value) => [name, value] as const) });

test("consumer-restriction: lists, and methods for those whom no list names", () => {
  const from = (username: string | null, method = "GET", groupId: string | null = null): FakeRequest => {
    const request = buildRequest({ method, route: { id: "r", serviceId: "s" } });
    if (username !== null) request.authenticate({ ...buildConsumer(username), groupId });
    return request;
  };
  const forbidden = [403, '{"message":"The consumer_name is forbidden."}\n'];
  const ask = (conf: object, request: FakeRequest): unknown => verdict(consumerRestriction, conf, request);
  assert.equal(ask({ whitelist: ["ann"] }, from("ann")), null);
  assert.deepEqual(ask({ whitelist: ["ann"] }, from("bob")), forbidden);
  assert.deepEqual(ask({ blacklist: ["ann"] }, from("ann")), forbidden);
  assert.equal(ask({ blacklist: ["ann"] }, from("bob")), null);
  const methods = { allowed_by_methods: [{ user: "ann", methods: ["POST"] }] };
  assert.deepEqual(ask(methods, from("ann")), forbidden);
  assert.equal(ask(methods, from("ann", "POST")), null);
  assert.equal(ask(methods, from("bob")), null);
  assert.equal(ask({ ...methods, whitelist: ["ann"] }, from("ann")), null);
  assert.deepEqual(ask({ whitelist: ["ann"], rejected_code: 401, rejected_msg: "no" }, from("bob")), [
    401,
    '{"message":"no"}\n',
  ]);
  const absent = '{"message":"The request is rejected, please check the consumer_name for this request"}\n';
  assert.deepEqual(ask({ whitelist: ["ann"] }, from(null)), [401, absent]);
  assert.equal(ask({ type: "consumer_group_id", whitelist: ["g"] }, from("ann", "GET", "g")), null);
  assert.equal(ask({ type: "route_id", whitelist: ["r"] }, from(null)), null);
  assert.deepEqual(ask({ type: "service_id", blacklist: ["s"] }, from(null)), [
    403,
    '{"message":"The service_id is forbidden."}\n',
  ]);
  assert.throws(() => ask({ whitelist: ["a"], rejected_code: 1000 }, from(null)), /rejected_code/);
});

test("ip-restriction: addresses and ranges of both families", () => {
  const from = (remoteAddr: string): FakeRequest => buildRequest({ remoteAddr });
  const list = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"];
  for (const [address, listed] of Object.entries({
    "127.0.0.1": true,
    "10.1.2.3": true,
    "2001:db8::5": true,
    "11.0.0.1": false,
    "::1": false,
  })) {
    assert.equal(passes(ipRestriction, { whitelist: list }, from(address)), listed, address);
    assert.equal(passes(ipRestriction, { blacklist: list }, from(address)), !listed, address);
  }
  assert.deepEqual(verdict(ipRestriction, { whitelist: ["::1"], response_code: 404, message: "no" }, from("1.1.1.1")), [
    404,
    '{"message":"no"}\n',
  ]);
  assert.throws(
    () => verdict(ipRestriction, { whitelist: ["::1"], blacklist: ["::1"] }, from("::1")),
    /only one schema/,
  );
});

test("ua-restriction: every header is judged by itself; an absent one is refused unless it may pass", () => {
  const deny = { denylist: ["bot", "^x$"] };
  const allow = { allowlist: ["^ok$", "(Spider)/(\\d+)"] };
  const ua = (...values: readonly string[]): FakeRequest => withHeader("User-Agent", ...values);
  assert.deepEqual(verdict(uaRestriction, deny, ua("a-bot-b")), [403, '{"message":"Not allowed"}\n']);
  for (const request of [ua("ok", "bot"), ua("ok", "x"), ua(), ua("y".repeat(9_000))]) {
    assert.ok(!passes(uaRestriction, deny, request));
  }
  for (const request of [ua("BOT"), ua(""), ua("ok", "ok")]) assert.ok(passes(uaRestriction, deny, request));
  assert.ok(passes(uaRestriction, allow, ua("Spider/3")));
  assert.ok(passes(uaRestriction, allow, ua("ok", "ok")));
  for (const request of [ua("ok", "no"), ua("no"), ua(""), ua()]) assert.ok(!passes(uaRestriction, allow, request));
  assert.ok(passes(uaRestriction, { ...allow, bypass_missing: true }, ua()));
  assert.ok(!passes(uaRestriction, { denylist: ["^böse$"] }, ua(utf8Bytes("böse"))));
  assert.throws(() => passes(uaRestriction, { denylist: ["(a+)+$"] }, ua()), /time without bound/);
});

test("referer-restriction: the host of a URL, and nothing that only looks like it", () => {
  const white = { whitelist: ["xx.com", "*.xx.com"] };
  const referer = (value: string): FakeRequest => withHeader("Referer", value);
  for (const url of ["http://xx.com", "https://xx.com/a?b", "http://www.xx.com:8080/x", "http://u:p@xx.com/"]) {
    assert.ok(passes(refererRestriction, white, referer(url)), url);
  }
  const bad = [
    "http://yy.com",
    "xx.com",
    "",
    "http://xx.com.evil.com",
    "http://XX.com",
    "http://xx.com:x@evil.com",
    "http://xx.com@evil.com",
    "http://evil.com#xx.com",
    "http://evil.com/http://xx.com",
    "http://xx.com, http://evil.com",
    "javascript://xx.com",
  ];
  for (const url of bad) assert.ok(!passes(refererRestriction, white, referer(url)), url);
  assert.ok(!passes(refererRestriction, white, buildRequest()));
  assert.ok(passes(refererRestriction, { ...white, bypass_missing: true }, referer("nonsense")));
  assert.deepEqual(verdict(refererRestriction, { blacklist: ["yy.com"], message: "no" }, referer("http://yy.com")), [
    403,
    '{"message":"no"}\n',
  ]);
  assert.ok(passes(refererRestriction, { blacklist: ["yy.com"] }, referer("http://xx.com")));
});

test("uri-blocker: path and query, decoded and normalised", () => {
  const conf = { block_rules: ["root.exe", "^/exact$", "/etc/passwd"] };
  const blocked = [
    "/root.exe",
    "/a?x=root.exe",
    "/r%6Fot.exe",
    "//root.exe",
    "/exact",
    "/./exact",
    "/etc/x/..//passwd",
  ];
  for (const target of blocked)
    assert.deepEqual(verdict(uriBlocker, conf, buildRequest({ target })), [403, ""], target);
  for (const target of ["/", "/ROOT.EXE", "/exact?x", "/%zz"]) {
    assert.ok(passes(uriBlocker, conf, buildRequest({ target })), target);
  }
  const named = { block_rules: ["Root"], case_insensitive: true, rejected_code: 410, rejected_msg: "gone" };
  assert.deepEqual(verdict(uriBlocker, named, buildRequest({ target: "/rOOt" })), [410, '{"error_msg":"gone"}\n']);
  assert.deepEqual(verdict(uriBlocker, conf, buildRequest({ target: `/${"x".repeat(9_000)}` })), [414, ""]);
  assert.ok(passes(uriBlocker, { block_rules: [] }, buildRequest()));
  assert.throws(() => passes(uriBlocker, { block_rules: ["(a*)*b"] }, buildRequest()), /time without bound/);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest } from "../plugin/fake-request.ts";
import type { FakeRequestOptions } from "../plugin/fake-request.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { proxyRewrite } from "./proxy-rewrite.ts";

/** The target that a request gets, or the status it is refused with. */
function rewritten(conf: object, target: string, options: FakeRequestOptions = {}): string | number {
  const request = buildRequest({ ...options, target });
  const answer = compileChecked(proxyRewrite, conf).rewrite?.(request);
  assert.ok(!(answer instanceof Promise));
  return answer ? answer.status : request.upstream.target;
}

test("uri replaces the path and keeps the query", () => {
  const rows = [
    ["/new", "/u", "/new"],
    ["/new", "/u/x?a=1&b=%20", "/new?a=1&b=%20"],
    ["/q?fixed=1", "/q", "/q?fixed=1"],
    ["/q?fixed=1", "/q?a=1", "/q?fixed=1&a=1"],
    ["/v/$arg_x/$remote_addr", "/v?x=1", "/v/1/127.0.0.1?x=1"],
    ["/v/$arg_x/$remote_addr", "/v", "/v//127.0.0.1"],
    ["/a b/100%/é", "/u", "/a%20b/100%25/%C3%A9"],
    ["/prefix$uri", "/a/b%20c?x", "/prefix/a/b%20c?x"],
    ["/api$request_uri", "/a%20b;v=%3B/c%2Fd?x=%20", "/api/a%20b;v=%3B/c%2Fd?x=%20"],
    ["/api${real_request_uri}?y", "/a?x", "/api/a?y&x"],
    ["/x?was=$request_uri", "/a%20b", "/x?was=%2Fa%2520b"],
    ["/x?was=$uri&$args", "/a/b?c=%2F", "/x?was=%2Fa%2Fb&c=%2F&c=%2F"],
  ] as const;
  for (const [uri, target, expected] of rows) assert.equal(rewritten({ uri }, target), expected, uri);
});

test("a variable stays within its place in the path", () => {
  const uri = "/v/$arg_x/end";
  assert.equal(rewritten({ uri }, "/v?x=%2Fa%3Fb%23%0d%0a"), "/v/%2Fa%3Fb%23%0D%0A/end?x=%2Fa%3Fb%23%0d%0a");
  assert.equal(rewritten({ uri }, "/v?x=%2F.."), "/v/%2F../end?x=%2F..");
  assert.equal(rewritten({ uri }, "/v?x=é%20".replace("é", "%C3%A9")), "/v/%C3%A9%20/end?x=%C3%A9%20");
  for (const dots of ["..", ".", "%2e%2E"]) assert.equal(rewritten({ uri }, `/v?x=${dots}`), 400);
  const headers = [["X-Path", "\u00c3\u00a9/.."]] as const;
  assert.equal(rewritten({ uri: "/h/$http_x_path" }, "/", { headers }), "/h/%C3%A9%2F..");
});

test("regex_uri: the first pair that matches counts", () => {
  const swap = ["^/r/(.*)/(.*)$", "/$2/${1}"];
  const two = ["^/m/a/(.*)", "/A/$1", "^/m/(.*)", "/M/$1?m=$1&u=$remote_addr"];
  const rows: [pairs: string[], target: string, expected: string][] = [
    [swap, "/r/a/b?x=1", "/b/a?x=1"],
    [swap, "/r/a", "/r/a"],
    [swap, "/r/a%20b/c%25", "/c%25/a%20b"],
    [swap, "/r/a%3Fb/c", "/c/a%3Fb"],
    [swap, "/r/%E4%B8%AD/c", "/c/%E4%B8%AD"],
    [two, "/m/a/1", "/A/1"],
    [two, "/m/b%26c/d?e", "/M/b&c/d?m=b%26c%2Fd&u=127.0.0.1&e"],
    [["/old/", "/new/"], "/x/old/y/old/z", "/x/new/y/old/z"],
    [["^/strip(.*)", "$1"], "/strip", "/"],
    [["^/j/(.*)/(.*)", "/$1_$2x"], "/j/a/b", "/a_bx"],
    [["^/é(.*)", "/e$1"], "/%C3%A9t", "/et"],
    [["^/n(.*)", "$1"], "/n/%3CN%3E/%7B%22a%7Cb%5C%5E%60%22%7D/[1]", "/%3CN%3E/%7B%22a%7Cb%5C%5E%60%22%7D/[1]"],
  ];
  for (const [regex_uri, target, expected] of rows) assert.equal(rewritten({ regex_uri }, target), expected, target);
});

test("what the client sent is left alone where nothing matches", () => {
  assert.equal(rewritten({ regex_uri: ["^/x", "/y"] }, "/a%2Fb//c/%41"), "/a%2Fb//c/%41");
  assert.equal(rewritten({ headers: { "X-A": "1" } }, "/a%2Fb//c"), "/a%2Fb//c");
});

test("an escaped slash stays escaped and matches as no separator", () => {
  const regex_uri = ["^/r/([^/]+)/(.*)$", "/$2/$1"];
  assert.equal(rewritten({ regex_uri }, "/r/a%2Fb/c"), "/c/a%2Fb");
  assert.equal(rewritten({ regex_uri }, "/r/a%252Fb/c"), "/c/a%252Fb");
});

test("no capture leads out of the rewritten path", () => {
  assert.equal(rewritten({ regex_uri: ["^/r/(.*)/(.*)$", "/in/$2/$1"] }, "/r/a%2F..%2Fb/c"), "/in/c/b");
  assert.equal(rewritten({ regex_uri: ["^/a(.*)", "/in/$1"] }, "/a../secret"), 400);
  assert.equal(rewritten({ uri: "/in$request_uri" }, "/a/../b"), "/in/b");
  assert.equal(rewritten({ uri: "/in$request_uri" }, "/a/b%2F..%2F.%2fc"), "/in/a/c");
});

test("use_real_request_uri_unsafe works on the target as it came", () => {
  const unsafe = { use_real_request_uri_unsafe: true };
  assert.equal(rewritten({ ...unsafe, uri: "/un" }, "/un?a=1"), "/un?a=1");
  assert.equal(rewritten({ ...unsafe, regex_uri: ["^/ru(.*)", "$1"] }, "/ru/a%2Fb//c?x=%20"), "/a%2Fb//c?x=%20");
});

test("uri wins over regex_uri; a hidden argument does not come back", () => {
  assert.equal(rewritten({ uri: "/both", regex_uri: ["^/b(.*)", "/regex$1"] }, "/b1"), "/both");
  const request = buildRequest({ target: "/a?key=secret&x=1" });
  request.upstream.target = "/a?x=1";
  compileChecked(proxyRewrite, { uri: "/new" }).rewrite?.(request);
  assert.equal(request.upstream.target, "/new?x=1");
});

test("host and method", () => {
  const request = buildRequest();
  compileChecked(proxyRewrite, { host: "new.host:99", method: "POST", scheme: "https" }).rewrite?.(request);
  assert.equal(request.upstream.host, "new.host:99");
  assert.equal(request.upstream.method, "POST");
});

test("headers by verb, in the order add, remove, set", () => {
  const request = buildRequest({
    target: "/r/a/b?q=é".replace("é", "%C3%A9"),
    headers: [
      ["X-Old", "1"],
      ["X-Keep", "k"],
    ],
  });
  const headers = {
    add: { "X-Keep": "$1-$2", "X-Many": ["a", 2], "X-None": "$arg_none" },
    remove: ["x-old"],
    set: { "X-Set": ["s$arg_q", "t"], "X-Old": "again", "X-Empty": "" },
  };
  compileChecked(proxyRewrite, { regex_uri: ["^/r/(.*)/(.*)", "/$1"], headers }).rewrite?.(request);
  assert.deepEqual(request.upstream.list, [
    ["X-Keep", "k"],
    ["X-Keep", "a-b"],
    ["X-Many", "a"],
    ["X-Many", "2"],
    ["X-Set", "s\u00c3\u00a9"],
    ["X-Set", "t"],
    ["X-Old", "again"],
  ]);
});

test("the older form of headers sets; an empty value removes", () => {
  const request = buildRequest({
    headers: [
      ["X-A", "1"],
      ["X-B", "2"],
    ],
  });
  compileChecked(proxyRewrite, { headers: { "X-A": "", "X-B": 3, set: "word" } }).rewrite?.(request);
  assert.deepEqual(request.upstream.list, [
    ["X-B", "3"],
    ["set", "word"],
  ]);
});

test("a client cannot end a header's line, nor put variables into it", () => {
  const request = buildRequest({ target: "/x/$remote_addr?a=1%0d%0aX-Evil:%201%00%E2%82%AC%C4%8A" });
  compileChecked(proxyRewrite, { regex_uri: ["^/x/(.*)", "/$1"], headers: { "X-A": "$arg_a", "X-B": "$1" } }).rewrite?.(
    request,
  );
  assert.deepEqual(request.upstream.list.slice(1), [
    ["X-A", `1X-Evil: 1${Buffer.from("€Ċ").toString("latin1")}`],
    ["X-B", "$remote_addr"],
  ]);
});

test("headers that frame the message are left to the gateway, with a warning", () => {
  const warnings: string[] = [];
  const env = { ...buildEnv(), warn: (message: string) => void warnings.push(message) };
  const request = buildRequest({ headers: [["X-A", "1"]] });
  const headers = { set: { "Content-Length": "0", "transfer-encoding": "chunked" }, remove: ["Host"] };
  compileChecked(proxyRewrite, { headers }, env).rewrite?.(request);
  assert.deepEqual(request.upstream.list, [["X-A", "1"]]);
  assert.equal(warnings.length, 3);
});

test("configurations that cannot work are refused with the reason", () => {
  const rows: [conf: object, reason: RegExp][] = [
    [{ uri: "x" }, /property "uri" validation failed: failed to match pattern/],
    [{ regex_uri: ["a"] }, /expect array to have at least 2 items/],
    [{ regex_uri: ["a", "b", "c"] }, /The length of regex_uri should be an even number/],
    [{ regex_uri: ["[", "x"] }, /invalid regex_uri\(\[, x\): missing terminating \] for character class/],
    [{ regex_uri: ["(a+)+", "x"] }, /invalid regex_uri.*without bound/],
    [{ method: "get" }, /matches none of the enum values/],
    [{ host: "a b" }, /failed to match pattern/],
    [{ headers: {} }, /value should match only one schema, but matches none/],
    [{ headers: { set: {} } }, /matches none/],
    [{ headers: { "X y": "a" } }, /invalid field character in header/],
    [{ headers: { set: { "X-A": "a\nb" } } }, /invalid value character in header/],
  ];
  for (const [conf, reason] of rows) assert.throws(() => compileChecked(proxyRewrite, conf), { message: reason });
  assert.doesNotThrow(() => compileChecked(proxyRewrite, {}));
});

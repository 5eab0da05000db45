import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { version } from "../lib/version.ts";
import {
  buildConsumer,
  buildRequest,
  buildResponseHead,
  type FakeRequest,
  type FakeRequestOptions,
} from "../plugin/fake-request.ts";
import { compileLogEntries, type FormatConf } from "./log-entry.ts";
import type { BodyConf } from "./log-bodies.ts";

/** The entry of a request, after its phases have run. */
function entryOf(conf: FormatConf & BodyConf, request: FakeRequest, metadata?: FormatConf): unknown {
  const entries = compileLogEntries(conf, metadata);
  entries.handlers.rewrite?.(request);
  entries.handlers.header_filter?.(request, buildResponseHead());
  return JSON.parse(JSON.stringify(entries.build(request)));
}

const sent = { scheme: "http", host: "Example.com:8080" };
const ask = (options: FakeRequestOptions = {}): FakeRequest => buildRequest(options);

test("the full entry tells everything, with repeated headers and arguments as lists", () => {
  const request = ask({
    target: "/a%20b?x=1&x=2&y=a%C3%A9+b&z&x",
    headers: [
      ["Host", "Example.com:8080"],
      ["X-A", "1"],
      ["x-a", "2"],
      ["__proto__", "p"],
      ["X-U", "\u00c3\u00a9"],
    ],
    responseHeaders: [["Content-Type", "text/plain"]],
    route: { id: "7", serviceId: "s" },
    attempts: [
      {
        address: "127.0.0.1:80",
        named: "a",
        ...sent,
        status: 502,
        connectTime: -1,
        headerTime: -1,
        responseTime: 0.001,
      },
      {
        address: "127.0.0.1:81",
        named: "a",
        ...sent,
        status: 200,
        connectTime: 0,
        headerTime: 0.001,
        responseTime: 0.002,
      },
    ],
  });
  request.authenticate(buildConsumer("jack"));
  const headers: Record<string, unknown> = JSON.parse(
    '{"host":"Example.com:8080","x-a":["1","2"],"__proto__":"p","x-u":"é"}',
  );
  assert.deepEqual(entryOf({}, request), {
    request: {
      url: "http://example.com:9080/a%20b?x=1&x=2&y=a%C3%A9+b&z&x",
      uri: "/a%20b?x=1&x=2&y=a%C3%A9+b&z&x",
      method: "GET",
      headers,
      querystring: { x: ["1", "2", true], y: "aé b", z: true },
      size: 80,
    },
    response: { status: 200, headers: { "content-type": "text/plain" }, size: 150 },
    server: { hostname: hostname(), version },
    upstream: "127.0.0.1:80, 127.0.0.1:81",
    service_id: "s",
    route_id: "7",
    consumer: { username: "jack" },
    client_ip: "127.0.0.1",
    start_time: 1_700_000_000_000,
    latency: 4.2,
    upstream_latency: 3,
    apisix_latency: 1.2000000000000002,
  });
});

test("a format stands for variables as a whole, up to five levels deep, and always names the route", () => {
  const log_format = {
    host: "$host",
    status: "$status",
    port: "$server_port",
    none: "$http_none",
    mixed: "a-$host",
    fixed: "text",
    number: 7,
    list: ["$request_method", { a: "$uri" }],
    two: { three: { four: { five: { six: { seven: "$host" }, at: "$uri" }, here: "$scheme" } } },
    agent: "$http_user_agent",
  };
  const request = ask({
    headers: [
      ["Host", "h"],
      ["User-Agent", "caf\u00c3\u00a9"],
    ],
  });
  assert.deepEqual(entryOf({ log_format }, request), {
    host: "h",
    status: 200,
    port: "9080",
    mixed: "a-$host",
    fixed: "text",
    number: 7,
    list: ["GET", { a: "/" }],
    two: { three: { four: { five: { at: "/" }, here: "http" } } },
    agent: "café",
    route_id: "1",
  });
  request.values.set("cost", 1.5);
  assert.deepEqual(entryOf({ log_format: { cost: "$cost" } }, request), { cost: 1.5, route_id: "1" });
});

test("the format of the plugin comes before that of the metadata, and that before what is laid over the full entry", () => {
  const keys = (conf: FormatConf, metadata?: FormatConf): string[] => {
    const entry = entryOf(conf, ask(), metadata) as Record<string, unknown>;
    return Object.keys(entry).filter((key) => /^[a-z]$|^client_ip$/.test(key));
  };
  const own = { log_format: { a: "$uri" } };
  const shared = { log_format: { b: "$uri" }, log_format_extra: { c: "$uri" } };
  assert.deepEqual(keys(own, shared), ["a"]);
  assert.deepEqual(keys({}, shared), ["b"]);
  assert.deepEqual(keys({}, { log_format: {}, log_format_extra: { c: "$uri" } }), ["client_ip", "c"]);
  assert.deepEqual(keys({ log_format_extra: { d: "$uri" } }, { log_format_extra: { c: "$uri" } }), ["client_ip", "d"]);
  assert.deepEqual(keys({ log_format: {} }), []);
});

test("bodies are there where they are asked for, cut, decompressed, and under their condition", () => {
  type Bodies = { request: { body?: string }; response: { body?: string } };
  const bodies = (conf: BodyConf, options: FakeRequestOptions): (string | undefined)[] => {
    const { request, response } = entryOf(conf, ask(options)) as Bodies;
    return [request.body, response.body];
  };
  const both = { include_req_body: true, include_resp_body: true };
  const options = { body: "question é", answerBody: "answer" };
  assert.deepEqual(bodies({}, options), [undefined, undefined]);
  assert.deepEqual(bodies(both, options), ["question é", "answer"]);
  assert.deepEqual(bodies({ ...both, max_req_body_bytes: 3, max_resp_body_bytes: 2 }, options), ["que", "an"]);
  const yes = { include_req_body_expr: [["arg_a", "==", "1"]], include_resp_body_expr: [["status", "==", 200]] };
  assert.deepEqual(bodies({ ...both, ...yes }, options), [undefined, "answer"]);
  assert.deepEqual(bodies({ ...both, ...yes }, { ...options, target: "/?a=1", status: 500 }), [
    "question é",
    undefined,
  ]);
  const zipped = { answerBody: gzipSync("plain"), responseHeaders: [["Content-Encoding", "gzip"]] } as const;
  assert.deepEqual(bodies(both, zipped), [undefined, "plain"]);
  // A bomb is not opened, and what is no compressed text is not shown.
  const bomb = { ...zipped, answerBody: gzipSync("x".repeat(10_000)) };
  assert.deepEqual(bodies({ ...both, max_resp_body_bytes: 100 }, bomb), [undefined, undefined]);
  assert.deepEqual(bodies(both, { ...zipped, answerBody: "plain" }), [undefined, undefined]);
  assert.deepEqual(entryOf({ log_format: { b: "$request_body", r: "$response_body" } }, ask(options)), {
    b: "question é",
    r: "answer",
    route_id: "1",
  });
});

test("nothing that a client sends can end an entry or add to it", () => {
  const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
  fc.assert(
    fc.property(bytes, bytes, fc.uint8Array(), (name, value, body) => {
      const entries = compileLogEntries({ include_req_body: true, log_format_extra: { field: "$http_x" } }, undefined);
      const request = ask({
        headers: [
          [`x${name}`, value],
          ["X", value],
        ],
        body: Buffer.from(body).toString("latin1"),
      });
      entries.handlers.rewrite?.(request);
      const text = JSON.stringify(entries.build(request));
      assert.doesNotMatch(text, /[\u0000-\u001f]/); // oxlint-disable-line no-control-regex
      const entry = JSON.parse(text) as { request: { headers: Record<string, string> }; field: string };
      assert.equal(typeof entry.request.headers, "object");
      if (name !== "") assert.equal(entry.field, Buffer.from(value, "latin1").toString());
    }),
  );
});

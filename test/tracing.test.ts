import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ask } from "./support/client.ts";
import { echoOf, startEcho } from "./support/echo.ts";
import { startOrigin } from "./support/origin.ts";
import { readExport } from "./support/otlp.ts";
import { serving, to } from "./support/serving.ts";
import { startHttpSink } from "./support/sinks.ts";

// opentelemetry and zipkin through the front door, against collectors that keep what they get.

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

/** A header as the node received it. */
const received = (headers: readonly string[], name: string): string | undefined =>
  headers.find((line) => line.toLowerCase().startsWith(`${name}: `))?.slice(name.length + 2);

test("opentelemetry goes on with a trace, or begins one, and exports what was sampled", async (t) => {
  const echo = await startEcho(t);
  const failing = await startOrigin(t, "o", (_, response) => response.writeHead(503).end());
  const collector = await startHttpSink(t);
  const on = { sampler: { name: "always_on" } };
  const traced = (id: string, conf: object, route: object = {}): object =>
    to({ [echo.node]: 1 }, {}, { id, uri: `/${id}/*`, name: `n-${id}`, plugins: { opentelemetry: conf }, ...route });
  const gateway = await serving(
    t,
    {
      plugin_metadata: [
        {
          id: "opentelemetry",
          trace_id_source: "x-request-id",
          resource: { "service.name": "shop", replicas: 2 },
          collector: { address: `127.0.0.1:${collector.port}`, request_headers: { Authorization: "token" } },
          batch_span_processor: { max_export_batch_size: 1 },
          set_ngx_var: true,
        },
      ],
      routes: [
        traced("on", {
          ...on,
          additional_attributes: ["arg_a", "http_x_none"],
          additional_header_prefix_attributes: ["X-My-*", "x-one"],
        }),
        traced("off", {}),
        traced("parent", { sampler: { name: "parent_base" } }),
        traced("id", on, { plugins: { opentelemetry: on, "request-id": {} } }),
        traced("fail", on, { upstream: { nodes: { [failing.node]: 1 } } }),
      ],
    },
    {
      config: {
        plugins: ["opentelemetry", "request-id"] as unknown as object,
        nginx_config: {
          http: {
            access_log_format: "$opentelemetry_context_traceparent $opentelemetry_trace_id $opentelemetry_span_id",
          },
        },
      },
    },
  );
  const incoming = { traceparent: `00-${traceId}-${spanId}-01`, tracestate: "a=b" };
  const started = Date.now();
  const headers = { ...incoming, "X-My-A": "1", "X-One": "2", "X-Two": "3", "User-Agent": "caf\u00e9" };
  const echoed = echoOf(await ask(gateway.httpPort, "/on/x?a=b%C3%A9", { headers })).headers;
  const request = await collector.inbox.next();
  const { url, headers: sent } = request;
  assert.deepEqual(
    [request.method, url, sent["content-type"], sent.authorization],
    ["POST", "/v1/traces", "application/x-protobuf", "token"],
  );
  const { resource, spans } = readExport(request.body);
  assert.deepEqual([resource["service.name"], resource.replicas], ["shop", "2"]);
  const [span] = spans;
  assert.ok(span !== undefined && spans.length === 1);
  assert.deepEqual(
    [span.traceId, span.parentSpanId, span.traceState, span.name, span.kind, span.status],
    [traceId, spanId, "a=b", "GET /on/*", 2, null],
  );
  assert.ok(span.startMs >= started - 1_000 && span.endMs >= span.startMs && span.endMs <= Date.now() + 1_000);
  assert.deepEqual(span.attributes, {
    "net.host.name": "127.0.0.1",
    "http.method": "GET",
    "http.scheme": "http",
    "http.target": "/on/x?a=b%C3%A9",
    "http.user_agent": "caf\ufffd",
    "apisix.route_id": "on",
    "apisix.route_name": "n-on",
    "http.route": "/on/*",
    "http.status_code": "200",
    "http.response.status_code": "200",
    arg_a: "bé",
    "x-my-a": "1",
    "x-one": "2",
  });
  // The node goes on below the gateway's span.
  assert.equal(received(echoed, "traceparent"), `00-${traceId}-${span.spanId}-01`);
  assert.equal(received(echoed, "tracestate"), "a=b");

  const off = echoOf(await ask(gateway.httpPort, "/off/x", { headers: incoming })).headers;
  assert.match(received(off, "traceparent") ?? "", new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
  const unsampled = { traceparent: `00-${traceId}-${spanId}-00` };
  await ask(gateway.httpPort, "/parent/x", { headers: unsampled });
  await ask(gateway.httpPort, "/parent/x", { headers: { traceparent: "nonsense", tracestate: "a=b" } });
  await ask(gateway.httpPort, "/parent/x", { headers: incoming });
  assert.equal(readExport((await collector.inbox.next()).body).spans[0]?.parentSpanId, spanId);

  const id = echoOf(await ask(gateway.httpPort, "/id/x")).headers;
  const fromId = readExport((await collector.inbox.next()).body).spans[0];
  assert.equal(fromId?.traceId, received(id, "x-request-id")?.replaceAll("-", ""));
  assert.equal(fromId?.parentSpanId, "");
  await ask(gateway.httpPort, "/fail/x");
  const failed = readExport((await collector.inbox.next()).body).spans[0];
  assert.deepEqual(failed?.status, { message: "upstream response status: 503", code: 2 });

  gateway.child.kill("SIGTERM");
  assert.equal(await gateway.exited, 0);
  const [line] = readFileSync(join(gateway.prefix, "logs/access.log"), "utf8").split("\n");
  assert.equal(line, `00-${traceId}-${span.spanId}-01 ${traceId} ${span.spanId}`);
});

interface Span {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind?: string;
  readonly timestamp: number;
  readonly duration: number;
  readonly localEndpoint: { readonly serviceName: string };
  readonly remoteEndpoint?: { ipv4: string };
  readonly tags?: Record<string, string>;
}

test("zipkin goes on with B3, and tells of the request, the way to the node and the answer", async (t) => {
  const echo = await startEcho(t);
  const collector = await startHttpSink(t);
  const conf = { endpoint: `${collector.url}/api/v2/spans`, sample_ratio: 1, server_addr: "10.0.0.1" };
  const traced = (id: string, more: object = {}): object =>
    to({ [echo.node]: 1 }, {}, { id, uri: `/${id}`, plugins: { zipkin: { ...conf, ...more } } });
  const routes = [
    traced("two"),
    traced("one", { span_version: 1, service_name: "shop" }),
    traced("rare", { sample_ratio: 0.00001 }),
  ];
  const gateway = await serving(t, { routes });
  const spansOf = async (path: string, headers = {}) => {
    const node = echoOf(await ask(gateway.httpPort, path, { headers })).headers;
    const posted = await collector.inbox.next();
    assert.equal(posted.url, "/api/v2/spans");
    return { node, spans: posted.json() as Span[] };
  };
  const two = await spansOf("/two?a=1");
  const [request, proxy, response] = two.spans;
  assert.ok(request !== undefined && proxy !== undefined && response !== undefined);
  assert.deepEqual(
    two.spans.map(({ name, kind, parentId }) => [name, kind, parentId]),
    [
      ["apisix.request", "SERVER", undefined],
      ["apisix.proxy", "CLIENT", request.id],
      ["apisix.response_span", undefined, request.id],
    ],
  );
  assert.match(request.traceId, /^[0-9a-f]{32}$/);
  assert.ok(two.spans.every((span) => span.traceId === request.traceId && span.duration > 0));
  assert.deepEqual(request.localEndpoint, { serviceName: "APISIX", ipv4: "10.0.0.1", port: gateway.httpPort });
  assert.equal(request.remoteEndpoint?.ipv4, "127.0.0.1");
  assert.deepEqual(request.tags, {
    component: "apisix",
    "http.method": "GET",
    "http.url": `http://127.0.0.1:${gateway.httpPort}/two?a=1`,
    "http.status_code": "200",
    "apisix.route_id": "two",
  });
  assert.deepEqual(
    ["x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled"].map((name) => received(two.node, name)),
    [request.traceId, proxy.id, request.id, "1"],
  );

  const one = await spansOf("/one", { b3: `${traceId}-${spanId}-1` });
  const [root] = one.spans;
  assert.deepEqual([root?.traceId, root?.parentId, root?.localEndpoint.serviceName], [traceId, spanId, "shop"]);
  const parents = new Map(one.spans.map(({ id, name }) => [id, name]));
  assert.deepEqual(
    one.spans.map(({ name, parentId = "" }) => [name, parents.get(parentId)]),
    [
      ["apisix.request", undefined],
      ["apisix.rewrite", "apisix.request"],
      ["apisix.access", "apisix.request"],
      ["apisix.proxy", "apisix.request"],
      ["apisix.body_filter", "apisix.proxy"],
    ],
  );
  assert.equal(received(one.node, "b3"), undefined);

  // What was decided before counts, not the share.
  const b3 = { "X-B3-TraceId": traceId, "X-B3-SpanId": spanId };
  const unsampled = echoOf(await ask(gateway.httpPort, "/two", { headers: { ...b3, "X-B3-Sampled": "0" } })).headers;
  assert.deepEqual([received(unsampled, "x-b3-sampled"), received(unsampled, "x-b3-traceid")], ["0", traceId]);
  const rare = await spansOf("/rare", { ...b3, "X-B3-Sampled": "1" });
  assert.equal(rare.spans[0]?.parentId, spanId);
});

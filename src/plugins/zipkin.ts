import { isIP } from "node:net";
import type { RequestContext } from "../plugin/context.ts";
import type { PluginDefinition } from "../plugin/plugin.ts";
import { textOfWire } from "../plugin/wire-text.ts";
import { explained } from "./catalogue/fields.ts";
import { zipkin as facts } from "./catalogue/observability.ts";
import { createLogHttp, HTTP_CONCURRENCY, refusal } from "./log-http.ts";
import { parseB3, randomSpanId, randomTraceId, traceparent } from "./trace-context.ts";

interface ZipkinConf {
  readonly endpoint: string;
  readonly sample_ratio: number;
  readonly service_name: string;
  readonly server_addr?: string;
  readonly span_version: 1 | 2;
}

/** A request on its way. Times are Unix milliseconds with fractions; 0: that phase was not reached. */
interface Trace {
  readonly traceId: string;
  readonly parentId: string | null;
  readonly requestId: string;
  readonly proxyId: string;
  readonly sampled: boolean;
  accessAt: number;
  proxyAt: number;
  headAt: number;
}

/** A span in Zipkin's JSON (version 2 of its API); microseconds. */
interface ZipkinSpan {
  readonly name: string;
  readonly id: string;
  readonly parentId: string | null;
  readonly kind?: "SERVER" | "CLIENT";
  readonly from: number;
  readonly to: number;
  readonly more?: object;
}

/** Where a request keeps its trace. */
const TRACE = "zipkin:trace";

/** Spans that may wait, and how they are gathered. */
const BATCHES = {
  name: "zipkin_report",
  batchMaxSize: 1_000,
  inactiveTimeout: 1,
  bufferDuration: 5,
  maxRetryCount: 0,
  retryDelay: 1,
  maxPendingEntries: 8_192,
};
const TIMEOUT_MS = 5_000;

export const zipkin: PluginDefinition<ZipkinConf> = {
  ...facts,
  summary: "Traces requests, and sends their spans to Zipkin; goes on with what B3 headers say.",
  schema: explained(facts.schema, {
    endpoint: "Where spans are posted.",
    sample_ratio: "Share of the requests that are traced, where no B3 header decides.",
    span_version: "`2`: a span for the way to the node's answer and one for the answer. `1`: spans for phases.",
  }),

  compile(conf, env) {
    const http = createLogHttp("endpoint", conf.endpoint, { timeoutMs: TIMEOUT_MS, verifyTls: true });
    const batch = env.batches.open<string>(
      { ...BATCHES, plugin: facts.name, owner: env.owner, warn: (message) => env.warn(message) },
      {
        concurrency: HTTP_CONCURRENCY,
        async send(traces) {
          const answer = await http.post(`[${traces.join(",")}]`, { "Content-Type": "application/json" });
          if (answer.status >= 300) throw refusal("Zipkin", answer);
        },
        close: () => http.close(),
      },
    );
    const setVariables = env.attr.set_ngx_var === true;
    const spansOf = conf.span_version === 1 ? phaseSpans : pairOfSpans;
    const traceOf = (ctx: RequestContext): Trace | undefined => ctx.values.get(TRACE) as Trace | undefined;
    return {
      rewrite(ctx) {
        if (ctx.values.has(TRACE)) return;
        const b3 = parseB3((name) => ctx.header(name));
        const trace: Trace = {
          traceId: b3.traceId ?? randomTraceId(),
          parentId: b3.spanId,
          requestId: randomSpanId(),
          proxyId: randomSpanId(),
          sampled: b3.sampled ?? Math.random() < conf.sample_ratio,
          accessAt: 0,
          proxyAt: 0,
          headAt: 0,
        };
        ctx.values.set(TRACE, trace);
        injectB3(ctx, trace);
        if (!setVariables) return;
        const { traceId, requestId: spanId, sampled } = trace;
        ctx.values.set("zipkin_context_traceparent", traceparent({ traceId, spanId, sampled }));
        ctx.values.set("zipkin_trace_id", traceId);
        ctx.values.set("zipkin_span_id", spanId);
      },
      access(ctx) {
        const trace = traceOf(ctx);
        if (trace !== undefined) trace.accessAt = now(ctx);
      },
      before_proxy(ctx) {
        const trace = traceOf(ctx);
        if (trace !== undefined) trace.proxyAt = now(ctx);
      },
      header_filter(ctx) {
        const trace = traceOf(ctx);
        if (trace !== undefined) trace.headAt = now(ctx);
      },
      log(ctx) {
        const trace = traceOf(ctx);
        if (trace === undefined || !trace.sampled) return;
        ctx.values.set(TRACE, { ...trace, sampled: false });
        if (batch.full) {
          batch.drop();
          return;
        }
        const text = spansOf(ctx, trace)
          .map((span) => zipkinJson(ctx, trace, span, conf))
          .join(",");
        batch.push(text, text.length, ctx.serverAddr);
      },
      dispose() {
        void batch.close();
      },
    };
  },
};

/** On the clock of `startedAt`. */
const now = (ctx: RequestContext): number => ctx.startedAt + ctx.requestTime * 1_000;

/** The node goes on below the span of the way to it. */
function injectB3({ upstream }: RequestContext, { traceId, proxyId, requestId, sampled }: Trace): void {
  upstream.removeHeader("b3");
  upstream.removeHeader("X-B3-Flags");
  upstream.setHeader("X-B3-TraceId", traceId);
  upstream.setHeader("X-B3-SpanId", proxyId);
  upstream.setHeader("X-B3-ParentSpanId", requestId);
  upstream.setHeader("X-B3-Sampled", sampled ? "1" : "0");
}

function requestSpan(ctx: RequestContext, { requestId, parentId }: Trace, end: number): ZipkinSpan {
  const { method, status } = ctx;
  const url = `${ctx.scheme}://${ctx.host}:${ctx.serverPort}${textOfWire(ctx.target)}`;
  return {
    name: "apisix.request",
    id: requestId,
    parentId,
    kind: "SERVER",
    from: ctx.startedAt,
    to: end,
    more: {
      remoteEndpoint: endpoint(ctx.remoteAddr, ctx.remotePort),
      tags: {
        component: "apisix",
        "http.method": method,
        "http.url": url,
        "http.status_code": String(status),
        "apisix.route_id": ctx.route.id,
        ...(status >= 500 ? { error: String(status) } : {}),
      },
    },
  };
}

/** The request, the way to the head of its answer, and the answer. */
function pairOfSpans(ctx: RequestContext, trace: Trace): ZipkinSpan[] {
  const end = now(ctx);
  const headAt = trace.headAt || end;
  const parentId = trace.requestId;
  return [
    requestSpan(ctx, trace, end),
    { name: "apisix.proxy", id: trace.proxyId, parentId, kind: "CLIENT", from: ctx.startedAt, to: headAt },
    { name: "apisix.response_span", id: randomSpanId(), parentId, from: headAt, to: end },
  ];
}

/** The request and its phases, as far as it came. */
function phaseSpans(ctx: RequestContext, trace: Trace): ZipkinSpan[] {
  const end = now(ctx);
  const { accessAt, proxyAt, headAt, requestId, proxyId } = trace;
  const spans = [requestSpan(ctx, trace, end)];
  const add = (name: string, id: string, parentId: string, from: number, to: number): number =>
    spans.push({ name, id, parentId, from, to });
  add("apisix.rewrite", randomSpanId(), requestId, ctx.startedAt, accessAt || end);
  if (accessAt > 0) add("apisix.access", randomSpanId(), requestId, accessAt, proxyAt || end);
  if (proxyAt > 0) add("apisix.proxy", proxyId, requestId, proxyAt, end);
  if (proxyAt > 0 && headAt > 0) add("apisix.body_filter", randomSpanId(), proxyId, headAt, end);
  return spans;
}

function zipkinJson(ctx: RequestContext, { traceId }: Trace, span: ZipkinSpan, conf: ZipkinConf): string {
  const { name, id, parentId, kind, from, to, more } = span;
  return JSON.stringify({
    traceId,
    name,
    ...(parentId === null ? {} : { parentId }),
    id,
    kind,
    timestamp: Math.round(from * 1_000),
    duration: Math.max(1, Math.round((to - from) * 1_000)),
    localEndpoint: {
      serviceName: conf.service_name,
      ...endpoint(conf.server_addr ?? ctx.serverAddr, ctx.serverPort),
    },
    ...more,
  });
}

function endpoint(address: string, port: number): object {
  return { [isIP(address) === 6 ? "ipv6" : "ipv4"]: address, port };
}

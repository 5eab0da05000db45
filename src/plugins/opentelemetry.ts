import { hostname } from "node:os";
import { version } from "../lib/version.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { PluginDefinition, PluginEnv } from "../plugin/plugin.ts";
import { compileTextVariable } from "../plugin/variables.ts";
import { textOfWire } from "../plugin/wire-text.ts";
import { explained } from "./catalogue/fields.ts";
import { opentelemetry as facts } from "./catalogue/observability.ts";
import { createLogHttp, HTTP_CONCURRENCY, logHeaders, refusal } from "./log-http.ts";
import {
  type Attribute,
  type AttributeValue,
  encodeExport,
  encodeSpan,
  SPAN_KIND_SERVER,
} from "./opentelemetry-otlp.ts";
import { compileSampler, type SamplerConf } from "./opentelemetry-sampler.ts";
import { parseTraceparent, randomSpanId, randomTraceId, traceparent, type TraceParent } from "./trace-context.ts";

interface OpentelemetryConf {
  readonly sampler: SamplerConf;
  readonly additional_attributes?: readonly string[];
  readonly additional_header_prefix_attributes?: readonly string[];
}

/** The plugin's metadata, or `plugin_attr.opentelemetry`; times in seconds. */
interface Attributes {
  readonly trace_id_source?: "x-request-id" | "random";
  readonly resource?: Readonly<Record<string, AttributeValue>>;
  readonly collector?: {
    readonly address?: string;
    readonly request_timeout?: number;
    readonly request_headers?: Readonly<Record<string, unknown>>;
  };
  readonly batch_span_processor?: {
    readonly max_queue_size?: number;
    readonly batch_timeout?: number;
    readonly inactive_timeout?: number;
    readonly max_export_batch_size?: number;
  };
  readonly set_ngx_var?: boolean;
}

/** The span of a request, from `rewrite` to `log`. */
interface Span extends TraceParent {
  readonly parentId: string;
}

/** Where a request keeps its span; a second instance on the same request finds it. */
const SPAN = "opentelemetry:span";

export const opentelemetry: PluginDefinition<OpentelemetryConf> = {
  ...facts,
  summary: "Traces requests, and sends their spans to a collector of OpenTelemetry (OTLP over HTTP).",
  schema: explained(facts.schema, {
    sampler:
      "Which requests are traced: `fraction` is a share from 0 to 1, `root` decides where `parent_base` finds no parent.",
    additional_attributes: "Variables whose values become attributes of the span.",
    additional_header_prefix_attributes: "Headers that become attributes; `x-my-*` stands for all that begin so.",
  }),

  checkMetadata: (metadata) => void destinationOf(metadata as Attributes),

  compile(conf, env) {
    const attributes = { ...env.attr, ...env.metadata } as Attributes;
    const sampled = compileSampler(conf.sampler);
    const describe = compileAttributes(conf);
    const traceIdOf = attributes.trace_id_source === "x-request-id" ? requestTraceId : randomTraceId;
    const batch = openBatch(attributes, env);
    return {
      rewrite(ctx) {
        if (ctx.values.has(SPAN)) return;
        const parent = parseTraceparent(ctx.header("traceparent"));
        const traceId = parent?.traceId ?? traceIdOf(ctx);
        const decided = sampled(traceId, parent?.sampled ?? null);
        const span: Span = { traceId, spanId: randomSpanId(), sampled: decided, parentId: parent?.spanId ?? "" };
        ctx.values.set(SPAN, span);
        ctx.upstream.setHeader("traceparent", traceparent(span));
        // Without a parent whatever state was sent belongs to no trace.
        if (parent === null) ctx.upstream.removeHeader("tracestate");
        if (attributes.set_ngx_var === true) {
          ctx.values.set("opentelemetry_context_traceparent", traceparent(span));
          ctx.values.set("opentelemetry_trace_id", span.traceId);
          ctx.values.set("opentelemetry_span_id", span.spanId);
        }
      },
      log(ctx) {
        const span = ctx.values.get(SPAN) as Span | undefined;
        if (span === undefined || !span.sampled) return;
        ctx.values.set(SPAN, { ...span, sampled: false });
        if (batch.full) {
          batch.drop();
          return;
        }
        const { status } = ctx;
        const bytes = encodeSpan({
          ...span,
          traceState: span.parentId === "" ? "" : (ctx.header("tracestate") ?? ""),
          name: spanName(ctx),
          kind: SPAN_KIND_SERVER,
          startMs: ctx.startedAt,
          endMs: ctx.startedAt + ctx.requestTime * 1_000,
          attributes: describe(ctx),
          error: status >= 500 ? `upstream response status: ${status}` : null,
        });
        batch.push(bytes, bytes.length, ctx.serverAddr);
      },
      dispose() {
        void batch.close();
      },
    };
  },
};

/** Where spans go, and with which headers. Throws an Error with the reason where that cannot be. */
function destinationOf({ collector = {} }: Attributes) {
  const { address = "127.0.0.1:4318", request_timeout: timeout = 3, request_headers: extra } = collector;
  const base = address.includes("://") ? address : `http://${address}`;
  const http = createLogHttp("collector.address", `${base.replace(/\/+$/, "")}/v1/traces`, {
    timeoutMs: timeout * 1_000,
    verifyTls: true,
  });
  const headers = {
    ...logHeaders("collector.request_headers", extra),
    "Content-Type": "application/x-protobuf",
  };
  return { http, headers };
}

function openBatch(attributes: Attributes, env: PluginEnv) {
  const { http, headers } = destinationOf(attributes);
  const processor = attributes.batch_span_processor ?? {};
  const origin = { resource: resourceOf(attributes.resource), scope: "turnpike", version };
  return env.batches.open<Uint8Array>(
    {
      plugin: facts.name,
      name: facts.name,
      owner: env.owner,
      batchMaxSize: Math.max(1, processor.max_export_batch_size ?? 16),
      inactiveTimeout: Math.max(0, processor.inactive_timeout ?? 1),
      bufferDuration: Math.max(0, processor.batch_timeout ?? 2),
      maxRetryCount: 0,
      retryDelay: 1,
      maxPendingEntries: Math.max(1, processor.max_queue_size ?? 1_024),
      warn: (message) => env.warn(message),
    },
    {
      concurrency: HTTP_CONCURRENCY,
      async send(spans) {
        const answer = await http.post(encodeExport(origin, spans), headers);
        if (answer.status >= 300) throw refusal("the collector", answer);
      },
      close: () => http.close(),
    },
  );
}

function resourceOf(configured: Attributes["resource"]): readonly Attribute[] {
  return Object.entries({
    "telemetry.sdk.language": "nodejs",
    "telemetry.sdk.name": "turnpike",
    "telemetry.sdk.version": version,
    hostname: hostname(),
    "service.name": "APISIX",
    ...configured,
  });
}

/** The request's id as a trace id where it is one: 32 hexadecimal digits, hyphens aside. */
function requestTraceId(ctx: RequestContext): string {
  const id = (ctx.upstream.header("x-request-id") ?? "").replaceAll("-", "").toLowerCase();
  return /^[0-9a-f]{32}$/.test(id) && !/^0+$/.test(id) ? id : randomTraceId();
}

/** The path as the route has it, so that names are few; `""` where no route matched. */
function routePattern(ctx: RequestContext): string {
  const { patterns } = ctx.route;
  return patterns?.uris[patterns.uriOf(ctx.uri)] ?? "";
}

const spanName = (ctx: RequestContext): string => `${ctx.method} ${routePattern(ctx)}`.trim();

function compileAttributes(conf: OpentelemetryConf): (ctx: RequestContext) => Attribute[] {
  const variables = (conf.additional_attributes ?? []).map((name) => ({
    name,
    read: compileTextVariable(name),
  }));
  const prefixes = (conf.additional_header_prefix_attributes ?? []).map((name) => name.toLowerCase());
  return (ctx) => {
    const { route, status } = ctx;
    const attributes: Attribute[] = [
      ["net.host.name", ctx.host],
      ["http.method", ctx.method],
      ["http.scheme", ctx.scheme],
      ["http.target", textOfWire(ctx.target)],
      ["http.user_agent", textOfWire(ctx.header("user-agent") ?? "")],
      ["apisix.route_id", route.id],
      ["apisix.route_name", route.name],
      ["http.route", routePattern(ctx)],
      ["http.status_code", status],
      ["http.response.status_code", status],
    ];
    if (route.serviceId !== "") attributes.push(["apisix.service_id", route.serviceId]);
    if (route.serviceName !== "") attributes.push(["apisix.service_name", route.serviceName]);
    for (const { name, read } of variables) {
      const value = read(ctx);
      if (value !== undefined) attributes.push([name, value]);
    }
    if (prefixes.length > 0) addHeaders(ctx, prefixes, attributes);
    return attributes;
  };
}

function addHeaders(ctx: RequestContext, prefixes: readonly string[], attributes: Attribute[]): void {
  for (const [name, value] of ctx.headers()) {
    const lower = name.toLowerCase();
    const wanted = prefixes.some((prefix) =>
      prefix.endsWith("*") ? lower.startsWith(prefix.slice(0, -1)) : lower === prefix,
    );
    if (wanted) attributes.push([lower, textOfWire(value)]);
  }
}

import protobuf from "protobufjs";

/** What a collector of OpenTelemetry reads, by the field numbers of its published `trace.proto`. */

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Export { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
  message Scope { string name = 1; string version = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5;
    int32 kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9; Status status = 15;
  }
  message Status { string message = 2; int32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue {
    oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; }
  }
`);

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, string | number | boolean>>;
}

export interface ReadSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: { readonly message: string; readonly code: number } | null;
}

const byKey = (attributes: readonly Attribute[] = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** The resource's attributes and the spans of one request to a collector. */
export function readExport(bytes: Buffer): { resource: Readonly<Record<string, unknown>>; spans: ReadSpan[] } {
  const type = root.lookupType("Export");
  const message = type.toObject(type.decode(bytes), { longs: String, bytes: Array }) as {
    resourceSpans: {
      resource: { attributes: Attribute[] };
      scopeSpans: { spans: (Record<string, unknown> & { attributes?: Attribute[] })[] }[];
    }[];
  };
  const [only] = message.resourceSpans;
  const hex = (value: unknown): string => Buffer.from((value ?? []) as number[]).toString("hex");
  const ms = (value: unknown): number => Number(BigInt(value as string) / 1_000n) / 1_000;
  const spans = (only?.scopeSpans ?? []).flatMap((scope) => scope.spans);
  return {
    resource: byKey(only?.resource.attributes),
    spans: spans.map((span) => ({
      traceId: hex(span.traceId),
      spanId: hex(span.spanId),
      parentSpanId: hex(span.parentSpanId),
      traceState: (span.traceState as string | undefined) ?? "",
      name: span.name as string,
      kind: span.kind as number,
      startMs: ms(span.startTimeUnixNano),
      endMs: ms(span.endTimeUnixNano),
      attributes: byKey(span.attributes),
      status: (span.status as ReadSpan["status"]) ?? null,
    })),
  };
}

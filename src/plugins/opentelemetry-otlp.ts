import protobuf from "protobufjs/minimal.js";

/** OTLP (opentelemetry-proto 1.x, `trace.proto`) as far as the gateway's spans need it. */

/** A value of an attribute. */
export type AttributeValue = string | number | boolean;
export type Attribute = readonly [key: string, value: AttributeValue];

/** `Span.SpanKind`. */
export const SPAN_KIND_SERVER = 2;
/** `Status.StatusCode`. */
const STATUS_ERROR = 2;

export interface OtlpSpan {
  /** Hexadecimal digits, as the next two. */
  readonly traceId: string;
  readonly spanId: string;
  /** `""`: this span begins the trace. */
  readonly parentId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: number;
  /** Unix milliseconds, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: readonly Attribute[];
  /** What went wrong; `null`: nothing. */
  readonly error: string | null;
}

/** The tag of a field that holds bytes, a text or a message. */
const bytesField = (number: number): number => (number << 3) | 2;
const varintField = (number: number): number => number << 3;
const fixed64Field = (number: number): number => (number << 3) | 1;

/** One span as the bytes of its message. */
export function encodeSpan(span: OtlpSpan): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(bytesField(1)).bytes(Buffer.from(span.traceId, "hex"));
  writer.uint32(bytesField(2)).bytes(Buffer.from(span.spanId, "hex"));
  if (span.traceState !== "") writer.uint32(bytesField(3)).string(span.traceState);
  if (span.parentId !== "") writer.uint32(bytesField(4)).bytes(Buffer.from(span.parentId, "hex"));
  writer.uint32(bytesField(5)).string(span.name);
  writer.uint32(varintField(6)).uint32(span.kind);
  writer.uint32(fixed64Field(7)).fixed64(nanoseconds(span.startMs));
  writer.uint32(fixed64Field(8)).fixed64(nanoseconds(span.endMs));
  writeAttributes(writer, 9, span.attributes);
  if (span.error !== null) {
    writer.uint32(bytesField(15)).fork();
    writer.uint32(bytesField(2)).string(span.error);
    writer.uint32(varintField(3)).uint32(STATUS_ERROR).ldelim();
  }
  return writer.finish();
}

/** `Resource` and `InstrumentationScope`, which all spans of a configuration share. */
export interface SpanOrigin {
  readonly resource: readonly Attribute[];
  readonly scope: string;
  readonly version: string;
}

/** `ExportTraceServiceRequest` with spans that were encoded before. */
export function encodeExport({ resource, scope, version }: SpanOrigin, spans: readonly Uint8Array[]): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(bytesField(1)).fork();
  writer.uint32(bytesField(1)).fork();
  writeAttributes(writer, 1, resource);
  writer.ldelim();
  writer.uint32(bytesField(2)).fork();
  writer.uint32(bytesField(1)).fork();
  writer.uint32(bytesField(1)).string(scope);
  writer.uint32(bytesField(2)).string(version).ldelim();
  for (const span of spans) writer.uint32(bytesField(2)).bytes(span);
  writer.ldelim();
  return writer.ldelim().finish();
}

function writeAttributes(writer: protobuf.Writer, field: number, attributes: readonly Attribute[]): void {
  for (const [key, value] of attributes) {
    writer.uint32(bytesField(field)).fork();
    writer.uint32(bytesField(1)).string(key);
    writer.uint32(bytesField(2)).fork();
    writeValue(writer, value);
    writer.ldelim();
    writer.ldelim();
  }
}

/** `AnyValue`. */
function writeValue(writer: protobuf.Writer, value: AttributeValue): void {
  if (typeof value === "string") writer.uint32(bytesField(1)).string(value);
  else if (typeof value === "boolean") writer.uint32(varintField(2)).bool(value);
  else if (Number.isSafeInteger(value)) writer.uint32(varintField(3)).int64(value);
  else writer.uint32(fixed64Field(4)).double(value);
}

/** Exact to the microsecond, which a double of nanoseconds would not be. */
function nanoseconds(ms: number): protobuf.Long {
  const ns = BigInt(Math.round(ms * 1_000)) * 1_000n;
  return { low: Number(ns & 0xffffffffn) | 0, high: Number(ns >> 32n) | 0, unsigned: true } as protobuf.Long;
}

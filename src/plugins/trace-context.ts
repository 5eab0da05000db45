import { randomBytes } from "node:crypto";

/** Identities of traces and spans: W3C Trace Context and B3. */

/** Where a request comes from in a trace. Ids are lower-case hexadecimal digits. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

const ZERO_TRACE = "0".repeat(32);
const ZERO_SPAN = "0".repeat(16);

/** A random trace id of 128 bits; never all zeros. */
export function randomTraceId(): string {
  const id = randomBytes(16).toString("hex");
  return id === ZERO_TRACE ? randomTraceId() : id;
}

/** A random span id of 64 bits; never all zeros. */
export function randomSpanId(): string {
  const id = randomBytes(8).toString("hex");
  return id === ZERO_SPAN ? randomSpanId() : id;
}

/**
 * Reads `traceparent` (W3C Trace Context, section 3.2); `null` where it is absent or not valid, and
 * a new trace begins. Of a higher version the fields that are known count.
 */
export function parseTraceparent(value: string | undefined): TraceParent | null {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(value ?? "");
  if (match === null) return null;
  const [, version, traceId = "", spanId = "", flags = "", more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return null;
  if (traceId === ZERO_TRACE || spanId === ZERO_SPAN) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** `traceparent` for who is asked next. */
export function traceparent({ traceId, spanId, sampled }: TraceParent): string {
  return `00-${traceId.padStart(32, "0")}-${spanId}-${sampled ? "01" : "00"}`;
}

/** What B3 headers say. */
export interface B3 {
  /** 16 or 32 digits; `null`: a new trace begins. */
  readonly traceId: string | null;
  readonly spanId: string | null;
  /** The decision that was taken before; `null`: none. */
  readonly sampled: boolean | null;
}

const B3_NOTHING: B3 = { traceId: null, spanId: null, sampled: null };

/** Reads `b3` or, without it, the `x-b3-*` headers; what is not valid counts as absent. */
export function parseB3(header: (name: string) => string | undefined): B3 {
  const single = header("b3");
  if (single !== undefined) return parseSingleB3(single);
  const sampled = header("x-b3-flags") === "1" ? true : decision(header("x-b3-sampled"));
  const ids = idsOf(header("x-b3-traceid"), header("x-b3-spanid"));
  return { ...ids, sampled };
}

/** `{trace}-{span}-{decision}-{parent}`, of which the last two are optional, or the decision alone. */
function parseSingleB3(value: string): B3 {
  const parts = value.split("-");
  if (parts.length === 1) return { ...B3_NOTHING, sampled: decision(parts[0]) };
  if (parts.length > 4) return B3_NOTHING;
  return { ...idsOf(parts[0], parts[1]), sampled: decision(parts[2]) };
}

function idsOf(trace: string | undefined, span: string | undefined): Pick<B3, "traceId" | "spanId"> {
  const traceId = (trace ?? "").toLowerCase();
  const spanId = (span ?? "").toLowerCase();
  const valid = /^(?:[0-9a-f]{16}){1,2}$/.test(traceId) && /^[0-9a-f]{16}$/.test(spanId);
  if (!valid || /^0+$/.test(traceId) || spanId === ZERO_SPAN) return { traceId: null, spanId: null };
  return { traceId, spanId };
}

function decision(value: string | undefined): boolean | null {
  if (value === "1" || value === "d" || value === "true") return true;
  return value === "0" || value === "false" ? false : null;
}

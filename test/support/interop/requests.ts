import { type Bodies, SIZES } from "./bodies.ts";
import { chance } from "./chance.ts";

/** How the origin ends the body of its answer. */
type Framing = "length" | "chunked" | "close";

export interface MixedRequest {
  readonly id: number;
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  /** The target; different for each request. The origin repeats it in `X-Target`. */
  readonly path: string;
  readonly upload: { readonly size: number; readonly chunked: boolean } | null;
  readonly framing: Framing;
  /** Bytes in the body of the answer (of GET, where it is HEAD). */
  readonly replySize: number;
}

/** What a client saw of an answer. */
export interface Outcome {
  readonly id: number;
  readonly status: number;
  /** `X-Target`. */
  readonly target: string;
  /** `Content-Length` as it came, or an empty text. */
  readonly length: string;
  /** Of the body. */
  readonly sha256: string;
}

/**
 * So many requests of every method, size and framing, the same ones in each run.
 * @param storing the origin keeps uploads in files and answers them without a body, as nginx does
 */
export function mix(count: number, bodies: Bodies, storing: boolean): MixedRequest[] {
  const next = chance(count);
  return Array.from({ length: count }, (_, id) => {
    const method = pick(next(), ["GET", "GET", "GET", "HEAD", "POST", "PUT"] as const);
    const framing = pick(next(), ["length", "length", "chunked", "chunked", "close"] as const);
    const chunked = next() < 0.5;
    // Two coprime strides, so that few requests meet each size of an upload and of an answer.
    const size = SIZES[(id * 7) % SIZES.length]!;
    const replySize = SIZES[(id * 4) % SIZES.length]!;
    if (method === "GET" || method === "HEAD") {
      return { id, method, path: `/${framing}/${replySize}?id=${id}`, upload: null, framing, replySize };
    }
    const upload = { size, chunked };
    if (storing) return { id, method, path: `/up/${id}-${size}`, upload, framing: "length", replySize: 0 };
    const path = `/${framing}/${replySize}?id=${id}&sha256=${bodies.hash(size)}`;
    return { id, method, path, upload, framing, replySize };
  });
}

/** What is wrong with the outcome; `null`: nothing. */
export function judge(request: MixedRequest, outcome: Outcome | undefined, bodies: Bodies): string | null {
  const what = `${request.method} ${request.path}`;
  if (outcome === undefined) return `${what}: no answer`;
  const { status, target, length, sha256 } = outcome;
  if (status !== 200 && status !== 201 && status !== 204) return `${what}: ${status}`;
  if (target !== request.path) return `${what}: the answer to ${target}`;
  const size = request.replySize;
  const fixed = request.framing === "length" && status !== 204;
  if (fixed ? length !== String(size) : length !== "" && length !== String(size)) return `${what}: length ${length}`;
  if (sha256 !== bodies.hash(request.method === "HEAD" ? 0 : size)) return `${what}: another body`;
  return null;
}

function pick<T>(share: number, among: readonly T[]): T {
  return among[Math.floor(share * among.length)]!;
}

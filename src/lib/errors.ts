/**
 * The error registry: every error the gateway can answer, log or exit with has
 * its row here, and `docs/errors.md` documents each row (a test compares them).
 *
 * An error carries where it came from and whether the work may be repeated;
 * the retry loop reads nothing else.
 */

/** Who caused it: the client, the origin or the gateway itself. */
export type ErrorSource = "downstream" | "upstream" | "internal";

/**
 * Whether the request may be sent again to a node.
 * - `never`: the origin may have acted on it already, or repeating cannot help.
 * - `safe`: nothing of it reached an origin.
 * - `idempotent`: it may have been processed; only idempotent methods may be repeated.
 * - `reused`: safe when the connection had been used before (the origin closed an idle connection).
 */
export type RetrySafety = "never" | "safe" | "idempotent" | "reused";

interface ErrorSpec {
  readonly source: ErrorSource;
  readonly retry: RetrySafety;
  /** HTTP status answered downstream; 0 where no answer is made. */
  readonly status: number;
  /** One sentence for the generated reference. */
  readonly summary: string;
}

const spec = (source: ErrorSource, retry: RetrySafety, status: number, summary: string): ErrorSpec => ({
  source,
  retry,
  status,
  summary,
});

/** Every code, in the order of `docs/errors.md`. */
export const errors = {
  DOWNSTREAM_MALFORMED: spec("downstream", "never", 400, "The request breaks RFC 9112 or is ambiguous."),
  DOWNSTREAM_UNPROVEN: spec("downstream", "never", 400, "The client showed no certificate that the host demands."),
  DOWNSTREAM_TIMEOUT: spec("downstream", "never", 408, "The client did not send its request in time."),
  DOWNSTREAM_BODY_TOO_LARGE: spec("downstream", "never", 413, "The body exceeds client_max_body_size."),
  DOWNSTREAM_TARGET_TOO_LONG: spec("downstream", "never", 414, "The request line exceeds its buffer."),
  DOWNSTREAM_HEAD_TOO_LARGE: spec("downstream", "never", 431, "The header section exceeds its limit."),
  DOWNSTREAM_NOT_IMPLEMENTED: spec("downstream", "never", 501, "A transfer coding or method that is not implemented."),
  DOWNSTREAM_VERSION: spec("downstream", "never", 505, "An HTTP version other than 1.0 and 1.1."),
  DOWNSTREAM_CLOSED: spec("downstream", "never", 499, "The client closed the connection before its answer."),
  UPSTREAM_CONNECT: spec("upstream", "safe", 502, "No connection to the node could be opened."),
  UPSTREAM_CONNECT_TIMEOUT: spec("upstream", "safe", 504, "The node did not accept a connection in time."),
  UPSTREAM_SEND_TIMEOUT: spec("upstream", "idempotent", 504, "The node did not read the request in time."),
  UPSTREAM_READ_TIMEOUT: spec("upstream", "idempotent", 504, "The node did not answer in time."),
  UPSTREAM_CLOSED: spec("upstream", "idempotent", 502, "The node closed the connection before its answer."),
  UPSTREAM_CLOSED_REUSED: spec("upstream", "reused", 502, "The node closed a kept-alive connection as it was reused."),
  UPSTREAM_REFUSED: spec("upstream", "safe", 502, "The node took no more requests on its HTTP/2 connection."),
  UPSTREAM_DEADLINE: spec("upstream", "never", 504, "The call took longer than its grpc-timeout allows."),
  UPSTREAM_MALFORMED: spec("upstream", "never", 502, "The node's answer breaks RFC 9112 or RFC 9113, or is ambiguous."),
  UPSTREAM_NO_NODE: spec("upstream", "never", 503, "The upstream has no node that could be asked."),
  ROUTE_NOT_FOUND: spec("downstream", "never", 404, "No route matches."),
  PLUGIN_FAILED: spec("internal", "never", 500, "A plugin threw."),
  INTERNAL: spec("internal", "never", 500, "A fault of the gateway."),
  SETTINGS_INVALID: spec("internal", "never", 0, "config.yaml cannot be used; start is refused."),
  ADDRESS_IN_USE: spec("internal", "never", 0, "An address to listen on is taken."),
  SOURCE_UNAVAILABLE: spec(
    "internal",
    "never",
    503,
    "The store of the resources cannot be reached; whether a write was done is not known.",
  ),
  SOURCE_UNREADABLE: spec("internal", "never", 0, "The configuration source cannot be read or parsed."),
  RESOURCE_REJECTED: spec("internal", "never", 0, "A resource failed its checks and is not served."),
} as const satisfies Record<string, ErrorSpec>;

/** A code of the registry. */
export type ErrorCode = keyof typeof errors;

/** An error of the registry; `detail` is for logs and reasons and never holds secrets. */
export class TurnpikeError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;

  constructor(code: ErrorCode, detail: string, cause?: unknown) {
    super(`${code}: ${detail}`, cause === undefined ? undefined : { cause });
    this.name = "TurnpikeError";
    this.code = code;
    this.detail = detail;
  }

  get source(): ErrorSource {
    return errors[this.code].source;
  }

  get retry(): RetrySafety {
    return errors[this.code].retry;
  }

  get status(): number {
    return errors[this.code].status;
  }
}

/** The message of whatever was thrown. */
export function reasonOf(thrown: unknown): string {
  if (thrown instanceof TurnpikeError) return thrown.detail;
  return thrown instanceof Error ? thrown.message : String(thrown);
}

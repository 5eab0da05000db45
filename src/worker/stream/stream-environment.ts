import type { StreamEnds, StreamPlan } from "../../compile/stream/stream-plan.ts";
import type { TimerWheel } from "../../lib/timer-wheel.ts";
import type { AccessLogSink, LogSink } from "../environment.ts";

/** What all streams of one worker share. */
export interface StreamEnvironment {
  match(ends: StreamEnds): StreamPlan | null;
  readonly wheel: TimerWheel;
  readonly accessLog: AccessLogSink | null;
  readonly complaints: Complaints;
  /** Nodes are told of the client in a PROXY header (version 1). */
  readonly proxyProtocolToUpstream: boolean;
  /** Connections to nodes that are open; datagrams need none, so a session counts as one. */
  upstreamConnections: number;
  /** Attempts to connect to nodes that came to nothing. */
  connectFailures: number;
}

/** Time between two lines of one kind. */
const REPEAT_MS = 1_000;

/**
 * What goes wrong with streams, in the error log: at most one line a second of each kind,
 * so that a flood of bad peers does not become a flood of lines.
 */
export class Complaints {
  readonly #log: LogSink;
  readonly #wheel: TimerWheel;
  readonly #kinds = new Map<string, { until: number; suppressed: number }>();

  constructor(log: LogSink, wheel: TimerWheel) {
    this.#log = log;
    this.#wheel = wheel;
  }

  /** @param kind one of few words of the code's own. */
  add(kind: string, detail: string): void {
    const { now } = this.#wheel;
    const seen = this.#kinds.get(kind);
    if (seen !== undefined && now < seen.until) {
      seen.suppressed++;
      return;
    }
    const more = seen === undefined || seen.suppressed === 0 ? "" : ` (and ${seen.suppressed} more before)`;
    this.#kinds.set(kind, { until: now + REPEAT_MS, suppressed: 0 });
    this.#log.warn(`${kind}: ${detail}${more}`);
  }
}

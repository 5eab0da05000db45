import type { StreamEnds, StreamPlan } from "../../compile/stream/stream-plan.ts";
import type { TimerWheel } from "../../lib/timer-wheel.ts";
import type { Complaints } from "../complaints.ts";
import type { AccessLogSink } from "../environment.ts";

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

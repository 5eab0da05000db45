import type { Attempt } from "../../plugin/context.ts";
import type { StreamUpstream, UpstreamNode } from "../../upstream/upstream.ts";
import type { StreamContext } from "./stream-context.ts";

interface AttemptRow extends Attempt {
  status: number;
  connectTime: number;
  responseTime: number;
}

const NONE: readonly UpstreamNode[] = [];

/** The nodes that one stream has been given, and what is told of them. */
export class NodeChoice {
  readonly #upstream: StreamUpstream;
  readonly #ctx: StreamContext;
  readonly #startedTicks = performance.now();
  #tried = NONE;
  #node: UpstreamNode | null = null;
  #attempt: AttemptRow | null = null;
  #pickedTicks = 0;
  /** The algorithm waits to hear how the attempt ends. */
  #watched = false;

  constructor(upstream: StreamUpstream, ctx: StreamContext) {
    this.#upstream = upstream;
    this.#ctx = ctx;
  }

  /**
   * The next node; `null` where there is none or no other may be tried, which `refuse` has been
   * told: `reason` and `status` are those of the last attempt.
   */
  next(
    reason: string,
    status: number,
    refuse: (status: number, kind: string, detail: string) => void,
  ): UpstreamNode | null {
    const { key } = this.#upstream;
    let node: UpstreamNode | null;
    try {
      node = this.#pick();
    } catch (error) {
      refuse(500, "picker failed", `${key}: ${String(error)}`);
      return null;
    }
    if (node === null) refuse(status, "upstream failed", `${key}: ${reason}, stream route ${this.#ctx.route.id}`);
    return node;
  }

  /** Throws what the algorithm throws. */
  #pick(): UpstreamNode | null {
    if (this.#tried.length > 0 && !this.#mayRetry()) return null;
    const node = this.#upstream.picker.pick(this.#tried, this.#ctx);
    this.#node = node;
    if (node === null) return null;
    this.#pickedTicks = performance.now();
    const { address, hostHeader: named } = node;
    this.#attempt = {
      address,
      named,
      scheme: "",
      host: "",
      status: 0,
      connectTime: -1,
      headerTime: -1,
      responseTime: -1,
    };
    this.#ctx.attempts.push(this.#attempt);
    const { feedback } = this.#upstream.picker;
    this.#watched = feedback !== null;
    feedback?.began(node);
    return node;
  }

  /** The node has taken the connection, or has answered. */
  connected(): void {
    if (this.#attempt!.connectTime >= 0) return;
    this.#attempt!.connectTime = this.#elapsed();
    this.#attempt!.status = 200;
    this.#node!.health?.connected();
  }

  /** The node could not be reached. */
  failed(kind: "tcp" | "timeout"): void {
    const node = this.#node!;
    this.#attempt!.status = kind === "tcp" ? 502 : 504;
    this.#tried = [...this.#tried, node];
    node.health?.failed(kind);
    this.#tell(true);
  }

  /** The stream is over. */
  ended(): void {
    if (this.#node === null) return;
    this.#attempt!.responseTime = this.#elapsed();
    this.#tell(false);
  }

  #mayRetry(): boolean {
    const { retries, retryTimeoutMs } = this.#upstream;
    if (this.#tried.length > retries) return false;
    return retryTimeoutMs === 0 || performance.now() - this.#startedTicks < retryTimeoutMs;
  }

  /** For `ewma` what counts is how long the connection took: a stream lasts as long as its ends like. */
  #tell(failed: boolean): void {
    if (!this.#watched) return;
    this.#watched = false;
    const { connectTime } = this.#attempt!;
    const elapsedMs = connectTime >= 0 ? connectTime * 1_000 : performance.now() - this.#pickedTicks;
    this.#upstream.picker.feedback?.ended(this.#node!, elapsedMs, failed);
  }

  #elapsed(): number {
    return (performance.now() - this.#pickedTicks) / 1_000;
  }
}

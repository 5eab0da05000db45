import type { BodyHandler } from "../compile/plan.ts";
import type { RequestContext } from "../plugin/context.ts";
import { failureReport } from "../plugins/user/failure-text.ts";

const EMPTY = Buffer.alloc(0);

/** The body filters of one answer. */
export class BodyFilters {
  readonly #ctx: RequestContext;
  readonly #log: { error(message: string): void };
  #handlers: readonly BodyHandler[];
  /** Those that see only the body that was replaced. */
  #watchers: readonly BodyHandler[] = [];

  constructor(handlers: readonly BodyHandler[], ctx: RequestContext, log: { error(message: string): void }) {
    this.#handlers = handlers;
    this.#ctx = ctx;
    this.#log = log;
  }

  /**
   * The plugin at `place` has replaced the body: plugins after it filter the new one, those before it
   * see the node's, which is not sent. So a cache keeps what the node has said.
   */
  replacedAt(place: number): void {
    const all = this.#handlers;
    this.#handlers = all.filter((handler) => handler.place > place);
    this.#watchers = all.filter((handler) => handler.place < place);
  }

  /** Whether somebody sees the body that was replaced. */
  get watching(): boolean {
    return this.#watchers.length > 0;
  }

  /** Filters a piece of what is sent; `null`: a filter threw. */
  run(piece: Buffer, last: boolean): Buffer | null {
    return this.#through(this.#handlers, piece, last);
  }

  /** Shows a piece of the body that was replaced. */
  watch(piece: Buffer, last: boolean): void {
    if (this.watching && this.#through(this.#watchers, Buffer.from(piece), last) === null) this.#watchers = [];
  }

  #through(handlers: readonly BodyHandler[], piece: Buffer, last: boolean): Buffer | null {
    const ctx = this.#ctx;
    let chunk = piece;
    for (const { plugin, run } of handlers) {
      try {
        const out = chunk.length === 0 ? chunk : run(ctx, chunk, false);
        chunk = last ? joined(out, run(ctx, EMPTY, true)) : out;
      } catch (error) {
        this.#log.error(`plugin ${plugin} failed on route ${ctx.route.id}: ${failureReport(error)}`);
        return null;
      }
    }
    return chunk;
  }
}

function joined(a: Buffer, b: Buffer): Buffer {
  if (b.length === 0) return a;
  return a.length === 0 ? b : Buffer.concat([a, b]);
}

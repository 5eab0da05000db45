import { MAX_WORKERS, WorkerState, type Board } from "../board/board.ts";

/** Whether a record's thread takes part: it has reported and has not begun to drain. */
export function reports(state: WorkerState): boolean {
  return state === WorkerState.starting || state === WorkerState.running;
}

/**
 * What a look at the board cannot tell because it needs the looks before it:
 * which workers stay behind, since when a worker is missing, and when any worker
 * gave its last sign of life. All times are monotonic milliseconds.
 *
 * `tick` must be called a few times a second; it allocates nothing that lives.
 */
export class SlotTracker {
  readonly #board: Board;
  /** Per slot: the published revision that is awaited, since when, and the revision seen at the last tick. */
  readonly #target = new Float64Array(MAX_WORKERS);
  readonly #targetSince = new Float64Array(MAX_WORKERS);
  readonly #seen = new Float64Array(MAX_WORKERS);
  /** Per slot: since when it has not reported, and not run on a configuration; `NaN`: it does. */
  readonly #missing = new Float64Array(MAX_WORKERS).fill(NaN);
  readonly #unconfigured = new Float64Array(MAX_WORKERS).fill(NaN);
  #lastSign: number;

  constructor(board: Board, now: number) {
    this.#board = board;
    this.#lastSign = now;
  }

  /** Looks at the board. */
  tick(now: number): void {
    const published = this.#board.revision;
    const count = this.#board.workerCount;
    for (let slot = 0; slot < count; slot++) {
      const record = this.#board.active(slot);
      const state = record?.state ?? WorkerState.absent;
      const revision = record?.revision ?? 0;
      if (record !== undefined && state !== WorkerState.absent) {
        this.#lastSign = Math.max(this.#lastSign, record.heartbeat);
      }
      mark(this.#missing, slot, !reports(state), now);
      mark(this.#unconfigured, slot, state !== WorkerState.running || revision === 0, now);
      // A worker that moves is not behind, however fast revisions are published:
      // only one that has stopped moving short of its target is.
      if (revision >= this.#target[slot]! || revision !== this.#seen[slot]) {
        this.#target[slot] = published;
        this.#targetSince[slot] = now;
      }
      this.#seen[slot] = revision;
    }
  }

  /** Since when worker id `slot` has been behind a revision without moving; `NaN`: it is not. */
  behindSince(slot: number): number {
    return this.#seen[slot]! < this.#target[slot]! ? this.#targetSince[slot]! : NaN;
  }

  /** The revision that worker id `slot` should have by now. */
  target(slot: number): number {
    return this.#target[slot]!;
  }

  /** Since when no thread of worker id `slot` has reported; `NaN`: one does. */
  missingSince(slot: number): number {
    return this.#missing[slot]!;
  }

  /** Since when worker id `slot` has not run on a configuration; `NaN`: it does. */
  unconfiguredSince(slot: number): number {
    return this.#unconfigured[slot]!;
  }

  /** When any worker was last known to be alive; the tracker's own start counts as a sign. */
  get lastSign(): number {
    return this.#lastSign;
  }
}

function mark(since: Float64Array, slot: number, holds: boolean, now: number): void {
  if (!holds) since[slot] = NaN;
  else if (Number.isNaN(since[slot])) since[slot] = now;
}

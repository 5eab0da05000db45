import { MAX_WORKERS } from "./board.ts";

/**
 * What the supervisor knows of the gateway as a whole, for whoever exports it: numbers in
 * shared memory that it alone writes, so that they survive every other thread and reading
 * them asks nobody.
 */

/** Upper bounds of the time from a change to its application by every worker, seconds. */
export const CHANGE_TO_LIVE_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

const Cell = {
  ready: 0,
  alive: 1,
  /** Unix seconds. */
  startedAt: 2,
  reloads: 3,
  reloadFailures: 4,
  controlRestarts: 5,
  loadFailures: 6,
  changeSum: 7,
  changeBuckets: 8,
} as const;
const RESTARTS = Cell.changeBuckets + CHANGE_TO_LIVE_BOUNDS.length + 1;
const CELLS = RESTARTS + MAX_WORKERS;

export class GatewayVitals {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Float64Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(CELLS * 8)) {
    this.memory = memory;
    this.#cells = new Float64Array(memory);
  }

  /** What `GET /status/ready` and `GET /status` answer. */
  get ready(): boolean {
    return this.#cells[Cell.ready] === 1;
  }

  get alive(): boolean {
    return this.#cells[Cell.alive] === 1;
  }

  /** Unix seconds. */
  get startedAt(): number {
    return this.#cells[Cell.startedAt]!;
  }

  /** Reloads of config.yaml that were done, and that were refused. */
  get reloads(): number {
    return this.#cells[Cell.reloads]!;
  }

  get reloadFailures(): number {
    return this.#cells[Cell.reloadFailures]!;
  }

  /** Times that the configuration source began to fail. */
  get loadFailures(): number {
    return this.#cells[Cell.loadFailures]!;
  }

  get controlRestarts(): number {
    return this.#cells[Cell.controlRestarts]!;
  }

  /** Unasked-for ends of the threads of a worker id. */
  restarts(slot: number): number {
    return this.#cells[RESTARTS + slot]!;
  }

  /** Changes by the bucket of their time (the last: above all bounds), and the sum in seconds. */
  get changeToLive(): { readonly buckets: readonly number[]; readonly sum: number } {
    return { buckets: [...this.#cells.subarray(Cell.changeBuckets, RESTARTS)], sum: this.#cells[Cell.changeSum]! };
  }

  // The supervisor's side.

  started(unixMs: number): void {
    this.#cells[Cell.startedAt] = unixMs / 1_000;
  }

  judged(ready: boolean, alive: boolean): void {
    this.#cells[Cell.ready] = ready ? 1 : 0;
    this.#cells[Cell.alive] = alive ? 1 : 0;
  }

  reloaded(done: boolean): void {
    this.#cells[done ? Cell.reloads : Cell.reloadFailures]!++;
  }

  /** Counts what happened, as the journal tells it. */
  note(event: { readonly type: string; readonly worker?: number }): void {
    if (event.type === "config-failed") this.#cells[Cell.loadFailures]!++;
    else if (event.type === "control-exited") this.#cells[Cell.controlRestarts]!++;
    else if (event.type === "worker-exited") this.#cells[RESTARTS + (event.worker ?? 0)]!++;
  }

  /** A change is live everywhere, this long after it was accepted. */
  changed(milliseconds: number): void {
    const seconds = Math.max(0, milliseconds) / 1_000;
    const bucket = CHANGE_TO_LIVE_BOUNDS.findIndex((bound) => seconds <= bound);
    this.#cells[Cell.changeBuckets + (bucket < 0 ? CHANGE_TO_LIVE_BOUNDS.length : bucket)]!++;
    this.#cells[Cell.changeSum]! += seconds;
  }
}

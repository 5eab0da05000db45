import { MAX_WORKERS, type Board } from "../board/board.ts";

/** Time between two samples, milliseconds. */
const SAMPLE_MS = 1000;
/** Samples kept for each worker id: a minute. */
export const RATE_SAMPLES = 60;

/** Requests per second of one worker id. */
interface SlotRate {
  generation: number;
  /** As the last sample found them on the board. */
  requests: number;
  heartbeat: number;
  /** The newest last. */
  readonly samples: number[];
}

/**
 * Requests per second of each worker id over the last minute, from what workers count
 * on the board anyway. The time that counts is that of the worker's heartbeats, since it
 * writes its counters with them: so steady traffic has a steady rate.
 */
export class RequestRates {
  readonly #board: Board;
  readonly #slots: SlotRate[] = [];
  #sampledAt = -Infinity;

  constructor(board: Board) {
    this.#board = board;
  }

  /** Takes a sample where one is due; to be called a few times a second. `now`: monotonic milliseconds. */
  tick(now: number): void {
    if (now - this.#sampledAt < SAMPLE_MS) return;
    this.#sampledAt = now;
    const count = Math.min(this.#board.workerCount, MAX_WORKERS);
    this.#slots.length = Math.min(this.#slots.length, count);
    for (let slot = 0; slot < count; slot++) this.#sample((this.#slots[slot] ??= newSlot()), slot);
  }

  /** Requests per second of a worker id at the last sample. */
  now(slot: number): number {
    return this.#slots[slot]?.samples.at(-1) ?? 0;
  }

  /** The samples of a worker id, the newest last. */
  history(slot: number): readonly number[] {
    return this.#slots[slot]?.samples ?? [];
  }

  #sample(rate: SlotRate, slot: number): void {
    const record = this.#board.active(slot);
    const generation = record?.generation ?? 0;
    const heartbeat = record?.heartbeat ?? 0;
    const requests = record?.requests ?? 0;
    // Another thread counts from 0 on; nothing is known of how long it took for its first.
    const elapsed = generation === rate.generation ? heartbeat - rate.heartbeat : 0;
    const perSecond = elapsed > 0 ? Math.max(0, ((requests - rate.requests) * 1000) / elapsed) : 0;
    rate.generation = generation;
    rate.heartbeat = heartbeat;
    rate.requests = requests;
    rate.samples.push(Math.round(perSecond * 10) / 10);
    if (rate.samples.length > RATE_SAMPLES) rate.samples.shift();
  }
}

function newSlot(): SlotRate {
  return { generation: -1, requests: 0, heartbeat: 0, samples: [] };
}

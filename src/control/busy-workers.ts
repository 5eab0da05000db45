import type { Board } from "../board/board.ts";

/** Requests a second, of all workers together, from which on they are busy. */
const BUSY = 500;
/** How long an answer holds, in milliseconds: workers write their counters with their heartbeats. */
const HOLDS_MS = 250;

/**
 * Says whether requests would feel it if this thread kept a core; asking costs next to nothing.
 * `clock` counts milliseconds.
 */
export function watchBusyWorkers(board: Board, clock = (): number => performance.now()): () => boolean {
  let busy = false;
  let lookedAt = -Infinity;
  let counted = 0;
  return () => {
    const now = clock();
    const elapsed = now - lookedAt;
    if (elapsed < HOLDS_MS) return busy;
    let total = 0;
    for (let slot = 0; slot < board.workerCount; slot++) total += board.active(slot)?.requests ?? 0;
    busy = ((total - counted) * 1_000) / elapsed > BUSY;
    lookedAt = now;
    counted = total;
    return busy;
  };
}

import { type Board, WorkerState } from "./board.ts";

/** What a whole node serves, as the board has it. */
export interface NodeState {
  /** The lowest revision that any worker runs with; 0 while one of them does not run. */
  readonly revision: number;
  /** The hash of the worker with that revision; 0 where `revision` is. */
  readonly hash: bigint;
  /** Every worker runs with a configuration, and the node does not drain. */
  readonly ready: boolean;
}

/** Sums the board up. */
export function nodeState(board: Board): NodeState {
  let lowest = Infinity;
  let hash = 0n;
  for (let slot = 0; slot < board.workerCount; slot++) {
    const record = board.active(slot);
    if (record === undefined || record.state !== WorkerState.running || record.revision === 0) {
      return { revision: 0, hash: 0n, ready: false };
    }
    if (record.revision >= lowest) continue;
    lowest = record.revision;
    hash = record.hash;
  }
  if (lowest === Infinity) return { revision: 0, hash: 0n, ready: false };
  return { revision: lowest, hash, ready: !board.draining };
}

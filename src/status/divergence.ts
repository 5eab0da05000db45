import { WorkerState, type Board } from "../board/board.ts";

/** A worker whose content differs from that of the same revision elsewhere. */
export interface Divergence {
  readonly worker: number;
  readonly revision: number;
  readonly hash: bigint;
  /** The published hash, or that of the lowest worker id at an older revision. */
  readonly expected: bigint;
}

/**
 * Workers that report a revision with another hash than it should have. One look
 * may catch an acknowledgement half written: only what two looks find is true.
 */
export function findDivergence(board: Board): Divergence[] {
  const expected = new Map<number, bigint>();
  if (board.revision > 0) expected.set(board.revision, board.hash);
  const found: Divergence[] = [];
  for (let worker = 0; worker < board.workerCount; worker++) {
    const record = board.active(worker);
    if (record === undefined || record.state !== WorkerState.running || record.revision === 0) continue;
    const { revision, hash } = record;
    const reference = expected.get(revision);
    if (reference === undefined) expected.set(revision, hash);
    else if (reference !== hash) found.push({ worker, revision, hash, expected: reference });
  }
  return found;
}

import { type Board, type WorkerRecord, WorkerState } from "./board.ts";

/** A worker id that has not applied a revision. */
export interface Laggard {
  readonly id: number;
  /** `absent`, `starting`, `running`, `draining`. */
  readonly state: string;
  /** What it has applied; 0: nothing. */
  readonly revision: number;
}

/** Worker ids that have not applied `revision` as it is now, with what they are at. */
export function findLaggards(board: Board, revision: number): readonly Laggard[] {
  const list: Laggard[] = [];
  for (let id = 0; id < board.workerCount; id++) {
    const record = board.active(id);
    if (record !== undefined && record.state === WorkerState.running && hasApplied(board, record, revision)) continue;
    const state = record === undefined ? WorkerState.absent : record.state;
    const name = Object.entries(WorkerState).find(([, value]) => value === state)?.[0] ?? "absent";
    list.push({ id, state: name, revision: record?.revision ?? 0 });
  }
  return list;
}

/**
 * Plugins of users and secrets change what is served within a revision: at the published one
 * a worker has applied everything once it holds the same.
 */
function hasApplied(board: Board, record: WorkerRecord, revision: number): boolean {
  if (record.revision < revision) return false;
  return record.revision !== board.revision || record.hash === board.hash;
}

/** Resolves with nobody once every worker has applied the revision, or with who has not when the time is over. */
export async function untilApplied(board: Board, revision: number, limitMs: number): Promise<readonly Laggard[]> {
  const { promise: over, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(true), limitMs);
  try {
    for (;;) {
      const seen = board.changes;
      const laggards = findLaggards(board, revision);
      if (laggards.length === 0) return laggards;
      if (await Promise.race([over, board.changed(seen).then(() => false)])) return findLaggards(board, revision);
    }
  } finally {
    clearTimeout(timer);
  }
}

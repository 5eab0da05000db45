import type { Board } from "../board/board.ts";
import { nodeState } from "../board/node-state.ts";
import { formatHash } from "../lib/content-hash.ts";
import type { FleetReport } from "../messages/messages.ts";

/** A node that serves something else than others at the same revision. */
export interface NodeDivergence {
  readonly node: string;
  readonly revision: number;
  /** 16 hexadecimal digits each; `expected` is what most nodes have. */
  readonly hash: string;
  readonly expected: string;
}

/** Records and boards are read while they change: only a difference that lasts counts. */
const CONFIRM_MS = 5_000;

/** Nodes whose content differs at revisions that hold the same. */
export function findNodeDivergence(fleet: FleetReport | null, board: Board): NodeDivergence[] {
  if (fleet === null || fleet.error !== null || fleet.others.length === 0) return [];
  const own = nodeState(board);
  const nodes = [
    { id: fleet.id, revision: own.revision, hash: formatHash(own.hash) },
    ...fleet.others.map(({ id, revision, hash }) => ({ id, revision, hash })),
  ].filter(({ revision }) => revision > 0);
  const { changedAt, revision: known } = fleet;
  const groups = Map.groupBy(nodes, ({ revision }) =>
    revision >= changedAt && revision <= known ? changedAt : revision,
  );
  return [...groups].flatMap(([revision, group]) => {
    const expected = mostCommon(group.map(({ hash }) => hash));
    return group
      .filter(({ hash }) => hash !== expected)
      .map(({ id, hash }) => ({ node: id, revision, hash, expected }));
  });
}

/** The value that occurs most; of several the first. */
function mostCommon(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let best = "";
  for (const [value, count] of counts) if (count > (counts.get(best) ?? 0)) best = value;
  return best;
}

/** Holds what was found against what is found now; `look` is called a few times a second. */
export function createNodeDivergenceWatch(): {
  /** Everything that has lasted, and what of it is new; `now` is in monotonic milliseconds. */
  look(
    found: readonly NodeDivergence[],
    now: number,
  ): { all: readonly NodeDivergence[]; fresh: readonly NodeDivergence[] };
} {
  let since = new Map<string, { readonly at: number; told: boolean }>();
  return {
    look(found, now) {
      const next: typeof since = new Map();
      const all: NodeDivergence[] = [];
      const fresh: NodeDivergence[] = [];
      for (const one of found) {
        const name = `${one.node}\n${one.revision}\n${one.hash}\n${one.expected}`;
        const known = since.get(name) ?? { at: now, told: false };
        next.set(name, known);
        if (now - known.at < CONFIRM_MS) continue;
        all.push(one);
        if (!known.told) fresh.push(one);
        known.told = true;
      }
      since = next;
      return { all, fresh };
    },
  };
}

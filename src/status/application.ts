import type { Board } from "../board/board.ts";
import { nodeState } from "../board/node-state.ts";
import type { ConfigReport } from "../messages/messages.ts";
import type { Journal } from "./journal.ts";

/** At most one event in this time, so that 200 changes a second do not wash everything else out of the journal. */
const QUIET_MS = 1000;
/** How long control's report may be later than the board. */
const REPORT_GRACE_MS = 1000;

/** A change that has reached every worker. */
export interface Application {
  /** Unix milliseconds at which the last worker had it. */
  readonly at: number;
  readonly revision: number;
  /** Milliseconds from acceptance to there. */
  readonly durationMs: number;
}

/** What the application watch needs. */
export interface ApplicationDeps {
  readonly board: Board;
  readonly journal: Journal;
  config(): ConfigReport;
  /** Told of every change that was timed. */
  measured(durationMs: number): void;
  unixNow(): number;
}

/**
 * Measures how long a change takes from acceptance to its application by every
 * worker, and writes it into the journal. `look` is called whenever something may
 * have changed, and a few times a second.
 */
export function createApplicationWatch(deps: ApplicationDeps): { look(): void; readonly last: Application | null } {
  const { board, journal } = deps;
  /** The revision whose way to the workers is being timed. */
  let timed: { readonly revision: number; readonly seenAt: number; appliedAt: number | null } | null = null;
  let lastRevision = 0;
  /** `lastChangeAt` of the report before: a load that changed nothing leaves it as it was. */
  let lastChangeAt = 0;
  /** `loadedAt` of the last report. */
  let lastLoadedAt = 0;
  let lastLoad = 0;
  /** From this revision on something was loaded that no event has told of; 0: nothing was. */
  let untoldLoad = 0;
  let lastEventAt = -Infinity;
  let longestMs = 0;
  let last: Application | null = null;
  /** The highest revision applied everywhere that no event has told of; 0: none. */
  let untold = 0;

  function measure(now: number): void {
    // A source that was restored from a backup counts from an earlier revision on.
    if (board.revision > 0 && board.revision < lastRevision) lastRevision = untold = 0;
    if (timed === null) {
      if (board.revision <= Math.max(lastRevision, untold)) return;
      timed = { revision: board.revision, seenAt: now, appliedAt: null };
    }
    const applied = nodeState(board).revision;
    if (applied < timed.revision) return;
    timed.appliedAt ??= now;
    const report = deps.config();
    if (report.revision < timed.revision && now - timed.appliedAt < REPORT_GRACE_MS) return;
    const dated = report.revision === timed.revision && report.lastChangeAt > lastChangeAt;
    const acceptedAt = dated ? Math.min(report.firstChangeAt ?? report.lastChangeAt, timed.seenAt) : timed.seenAt;
    lastChangeAt = report.lastChangeAt;
    const durationMs = timed.appliedAt - acceptedAt;
    longestMs = Math.max(longestMs, durationMs);
    deps.measured(durationMs);
    // What only moves the revision is no change that anybody waited for.
    if (dated || last === null) last = { at: timed.appliedAt, revision: timed.revision, durationMs };
    untold = applied;
    timed = null;
  }

  function noteLoad({ loadedAt, revision }: ConfigReport): void {
    if (loadedAt === lastLoadedAt) return;
    lastLoadedAt = loadedAt;
    lastLoad = revision;
    if (untoldLoad === 0) untoldLoad = revision;
  }

  return {
    get last() {
      return last;
    },
    look() {
      const now = deps.unixNow();
      noteLoad(deps.config());
      measure(now);
      if (untold === 0 || now - lastEventAt < QUIET_MS) return;
      const { changes, rejected } = deps.config();
      if (lastRevision > 0 && (untoldLoad === 0 || untoldLoad > untold)) {
        // Nothing was loaded up to there: it is only that the source's revision has grown.
        lastRevision = untold;
        untold = 0;
        return;
      }
      untoldLoad = lastLoad > untold ? untold + 1 : 0;
      journal.add({
        type: "config-applied",
        revision: untold,
        fromRevision: lastRevision,
        ...(changes === undefined ? {} : { changes }),
        rejected: rejected.length,
        durationMs: longestMs,
      });
      lastRevision = untold;
      lastEventAt = now;
      untold = 0;
      longestMs = 0;
    },
  };
}

import { isOverflow, labelsOf } from "../../board/metric-writer.ts";
import type { SeriesTotals } from "./series-reader.ts";

/**
 * Which series are shown no longer. One goes as a whole, in all workers at once, so that a
 * counter vanishes but never falls: where its route has been gone for a while, where the
 * settings let it expire, and where there is hardly a place left for others.
 */

/** How long the series of a route stay after it has gone: long enough to be scraped. */
export const ROUTE_GRACE_MS = 300_000;
/** How long a series must have been silent to make room for others. */
export const PRESSURE_IDLE_MS = 600_000;
/** From here on room is made. */
export const PRESSURE_FROM = 0.9;

interface Activity {
  /** Of all its numbers: it grows whenever one does. */
  sum: number;
  changedAt: number;
  /** Since when its route has been gone; `null`: it is there. */
  goneSince: number | null;
}

/** What decides about the series of one family. */
export interface RetirementRules {
  /** Milliseconds; 0: never. */
  readonly expireMs: number;
  /** `null`: not known now which routes there are. */
  readonly hasRoute: ((id: string) => boolean) | null;
  /** How full the fullest worker's table is. */
  readonly fullness: number;
}

/** Remembers the series of one family from look to look. */
export class RetirementWatch {
  readonly #activity = new Map<string, Activity>();

  /** Looks at all series, and says which are to go. `now` is monotonic milliseconds. */
  look(totals: SeriesTotals, rules: RetirementRules, now: number): ReadonlySet<string> {
    const retired = new Set<string>();
    for (const text of this.#activity.keys()) if (!totals.has(text)) this.#activity.delete(text);
    for (const [text, cells] of totals) {
      if (isOverflow(text)) continue;
      const activity = this.#note(text, cells, now);
      const gone = rules.hasRoute === null ? null : this.#routeGone(text, rules.hasRoute);
      if (gone === true) activity.goneSince ??= now;
      else if (gone === false) activity.goneSince = null;
      if (!isOver(activity, rules, now)) continue;
      retired.add(text);
      this.#activity.delete(text);
    }
    return retired;
  }

  #note(text: string, cells: Float64Array, now: number): Activity {
    let sum = 0;
    for (let i = 0; i < cells.length; i++) sum += cells[i]!;
    let activity = this.#activity.get(text);
    if (activity === undefined) {
      activity = { sum, changedAt: now, goneSince: null };
      this.#activity.set(text, activity);
    } else if (activity.sum !== sum) {
      activity.sum = sum;
      activity.changedAt = now;
    }
    return activity;
  }

  #routeGone(text: string, hasRoute: (id: string) => boolean): boolean {
    const { route } = labelsOf(text);
    return route !== "" && !hasRoute(route);
  }
}

function isOver({ changedAt, goneSince }: Activity, { expireMs, fullness }: RetirementRules, now: number): boolean {
  const idle = now - changedAt;
  if (goneSince !== null && now - goneSince >= ROUTE_GRACE_MS && idle >= ROUTE_GRACE_MS) return true;
  if (expireMs > 0 && idle >= expireMs) return true;
  return fullness >= PRESSURE_FROM && idle >= PRESSURE_IDLE_MS;
}

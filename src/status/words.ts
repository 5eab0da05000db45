import type { JournalEntry } from "./journal.ts";

/**
 * Events in words for people: on the status page, in the terminal, and as `text` in
 * `GET /status/events`.
 */

/** How much an event matters: `ok` ends something bad, `info` is the course of things. */
export type Severity = "ok" | "info" | "warning" | "error";

/** An event in words. */
export interface Described {
  readonly severity: Severity;
  /** One sentence or two, without a full stop at the end. */
  readonly text: string;
}

/** A span of time as people say it: `12 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. */
export function spanText(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return two(seconds, 60, "min", "s");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 24 * 60) return two(minutes, 60, "h", "min");
  return two(Math.floor(minutes / 60), 24, "d", "h");
}

function two(amount: number, size: number, large: string, small: string): string {
  const rest = amount % size;
  return `${Math.floor(amount / size)} ${large}${rest === 0 ? "" : ` ${rest} ${small}`}`;
}

/** `1 change`, `3 changes`. */
export function count(amount: number, what: string): string {
  return `${amount} ${what}${amount === 1 ? "" : "s"}`;
}

/** What serves in place of a rejected resource. */
export function insteadText(serving: "previous" | "nothing"): string {
  return serving === "previous" ? "its previous version serves" : "nothing serves instead";
}

function andMore(more: number): string {
  return more === 0 ? "" : `. The same holds for ${more} more`;
}

type Entry<Type extends JournalEntry["type"]> = Extract<JournalEntry, { readonly type: Type }>;

const words: { readonly [Type in JournalEntry["type"]]: (entry: Entry<Type>) => Described } = {
  ready: ({ afterMs }) => ok(`Ready (it took ${spanText(afterMs)})`),
  unready: ({ cause, afterMs }) => error(`Not ready: ${cause}. It had been ready for ${spanText(afterMs)}`),
  "worker-started": ({ worker, generation }) => info(`Worker ${worker} is being started (generation ${generation})`),
  "worker-ready": ({ worker, revision, durationMs }) =>
    ok(`Worker ${worker} serves revision ${revision}, ${spanText(durationMs)} after its start`),
  "worker-exited": ({ worker, cause }) => error(`Worker ${worker} ended: ${cause}`),
  // What it ended of is told by the event before.
  "worker-respawned": ({ worker, restarts }) => warning(`Worker ${worker} is started again (restart ${restarts})`),
  "control-exited": ({ cause }) => warning(`The control thread ended: ${cause}. Traffic is not affected`),
  reload: ({ cause, durationMs }) => {
    const text = `Reload: ${cause}${durationMs === undefined ? "" : `, ${spanText(durationMs)}`}`;
    return cause === "begun" || cause === "done" ? info(text) : warning(text);
  },
  "config-applied": ({ revision, changes, rejected, durationMs }) => {
    const but = rejected === 0 ? "" : `; ${count(rejected, "resource")} rejected`;
    if (changes === 0) return info(`Revision ${revision} changes nothing${but}`);
    const what = changes === undefined ? "" : ` (${count(changes, "change")})`;
    return info(
      `Revision ${revision} is live on every worker${what}, ${spanText(durationMs)} after it was accepted${but}`,
    );
  },
  "config-failed": ({ error: reason }) =>
    error(`The configuration source fails: ${reason}. The last good configuration serves`),
  "config-recovered": ({ revision }) => ok(`The configuration source works again, at revision ${revision}`),
  rejected: ({ resource, field, error: reason, serving, more }) => {
    const where = field === "" ? "" : `${field}: `;
    return warning(`${resource} is rejected: ${where}${reason}; ${insteadText(serving)}${andMore(more)}`);
  },
  accepted: ({ resource, more }) => ok(`${resource} is no longer rejected${andMore(more)}`),
  "node-health": ({ upstream, node, healthy, more }) => {
    const text = `Node ${node} of ${upstream} is ${healthy ? "healthy again" : "unhealthy"}${andMore(more)}`;
    return healthy ? ok(text) : warning(text);
  },
  drain: ({ on, cause }) => (on ? warning(`Draining: ${cause}`) : ok(`No longer draining: ${cause}`)),
  divergence: ({ worker, revision, hash, expected }) =>
    error(`Worker ${worker} serves something else at revision ${revision}: hash ${hash} instead of ${expected}`),
  "node-divergence": ({ node, revision, hash, expected }) =>
    error(`Node ${node} serves something else at revision ${revision}: hash ${hash} instead of ${expected}`),
};

/** An event in words. */
export function describeEvent(entry: JournalEntry): Described {
  const describe = words[entry.type] as (entry: JournalEntry) => Described;
  return describe(entry);
}

function ok(text: string): Described {
  return { severity: "ok", text };
}

function info(text: string): Described {
  return { severity: "info", text };
}

function warning(text: string): Described {
  return { severity: "warning", text };
}

function error(text: string): Described {
  return { severity: "error", text };
}

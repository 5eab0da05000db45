import type { CheckName } from "./readiness.ts";

/** What a failing check means to whoever operates the gateway. */
export interface Cause {
  /** What has happened, and what it does to traffic. */
  readonly meaning: string;
  /** What to do about it. */
  readonly advice: string;
}

/** Names under which causes are known: the checks, with one for all sources of discovery. */
export type CauseName = "draining" | "workers" | "configuration" | "responsive" | "discovery";

/** Every cause of "not ready", in the order in which they win. `docs/readiness-causes.md` is about these. */
export const causes: Readonly<Record<CauseName, Cause>> = {
  draining: {
    meaning: "The gateway is shutting down, or was drained by hand. It still serves what reaches it.",
    advice: "Nothing, where it is meant. A drain by hand ends with POST /v1/undrain on the Control API.",
  },
  workers: {
    meaning: "A worker has not been started yet, or has died and is being replaced. The others serve.",
    advice: "If it lasts, look at the worker's last exit and how often it was restarted; the error log has the rest.",
  },
  configuration: {
    meaning: "A worker runs, but does not serve the newest configuration.",
    advice:
      "Where every worker is concerned, look at the failure of the configuration source. Where it is one, look at what it waits for.",
  },
  responsive: {
    meaning: "A worker's event loop is blocked. It is replaced by itself; the others serve.",
    advice: "If it comes back, look for a plugin that computes for long; the event-loop delay shows it coming.",
  },
  discovery: {
    meaning: "A service discovery has not delivered its first list, so its upstreams have no nodes yet.",
    advice: "See that the servers of the discovery can be reached from here.",
  },
};

/** What a check's failure means. */
export function causeOf(check: CheckName): Cause {
  return causes[check.startsWith("discovery/") ? "discovery" : (check as CauseName)];
}

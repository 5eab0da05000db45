import type { StatusSettings } from "../settings/settings.ts";
import type { Journal } from "./journal.ts";
import type { StatusWatch, WatchDeps } from "./transitions.ts";

/** What the supervisor remembers of a worker id beyond the board. */
export interface SlotHistory {
  /** Replacements started because the worker died or hung. */
  readonly restarts: number;
  /** The last exit of a thread of this slot that was not asked for, or `null`. */
  readonly lastExit: { readonly at: number; readonly cause: string } | null;
}

/**
 * What the Status API reads. It changes nothing; every function must answer from
 * memory, at once, and must not throw.
 */
export interface StatusDeps extends Pick<WatchDeps, "board" | "config" | "fleet" | "checked"> {
  readonly settings: StatusSettings;
  /** `deployment.role`. */
  readonly role: string;
  readonly journal: Journal;
  /** Always there, also where the Status API is turned off: it writes the log and the journal. */
  readonly watch: StatusWatch;
  /** One row per worker id, in order; a row that is missing counts as untouched. */
  slots(): readonly SlotHistory[];
  /** Unix milliseconds of the gateway's start. */
  readonly startedAt: number;
}

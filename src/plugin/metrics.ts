import type { FamilyName } from "../lib/metric-families.ts";

/**
 * What plugins count for operators. Counts survive the death of a worker and a reload; a
 * scrape reads them without asking a worker. Not to be used while a plugin is compiled.
 */
export interface PluginMetrics {
  /** Moves when series were taken back: whoever keeps some asks for them again. */
  readonly epoch: number;
  /**
   * The numbers of a set of labels, to be added to at once and kept no longer than `epoch`
   * stays. `labels` are the family's, then those that the settings add, in order. `route` is
   * the id of the route that the series goes with, `""`: none. Where there is no place left
   * it is the series of all that have none, and `overflow` is true: that is not to be kept.
   */
  series(family: FamilyName, route: string, labels: readonly string[]): Series;
  /** Adds to a counter of one number. */
  add(family: SimpleFamily, labels: readonly string[], amount: number): void;
  /** Sets a gauge of one number; it begins at 0 when a worker thread does. */
  set(family: "batch_process_entries", labels: readonly string[], value: number): void;
  /** All metrics of this node as text; `null`: control cannot say now. */
  exposition(): Promise<string | null>;
}

/** Families with one number for each series that no plugin counts for every request. */
export type SimpleFamily = "stream_connection_total" | "log_entries_dropped_total";

/** The numbers of one series. */
export interface Series {
  readonly cells: Float64Array;
  /** Where its numbers begin. */
  readonly at: number;
  /** It is not the series that was asked for. */
  readonly overflow: boolean;
}

/** For checking configurations: counts nothing. */
export const dryMetrics: PluginMetrics = {
  epoch: 0,
  series: () => ({ cells: new Float64Array(256), at: 0, overflow: true }),
  add() {},
  set() {},
  exposition: () => Promise.resolve(null),
};

import type { Kind, Rejection } from "../schema/kinds.ts";

/**
 * What control has loaded, as the Admin and Control APIs read it: accepted resources with
 * their defaults. It may be older than what lies in the source; `settled` waits.
 */
export interface LoadedView {
  /** Revision of what is loaded; 0: nothing yet. */
  readonly revision: number;
  /** The parsed resource that serves; `undefined`: none. A fresh object each time. */
  get(kind: Kind, id: string): Readonly<Record<string, unknown>> | undefined;
  /** Ids of a kind, sorted. */
  ids(kind: Kind): readonly string[];
  /** Keys (`routes/1`) of the loaded resources that refer to `kind/id`, sorted. */
  dependents(kind: Kind, id: string): readonly string[];
  /**
   * Who else has what only one may have: the clash in APISIX's words where `value`, as
   * `kind/id`, would claim the key of another consumer or the plugin of another global rule.
   */
  clash(kind: Kind, id: string, value: unknown): string | null;
  /** What the last load said against the resource; `null`: nothing. */
  rejection(kind: Kind, id: string): Rejection | null;
  /**
   * Resolves once control has loaded the revision (not yet the workers): true; false
   * where that takes longer than `limitMs`.
   */
  settled(revision: number, limitMs: number): Promise<boolean>;
}

import type { Routable } from "./router.ts";
import type { UriTable } from "./uri-table.ts";

/** The tables that a request for one host is looked up in, the first that counts first. */
export interface HostTables<R extends Routable> {
  readonly table: UriTable<R>;
  readonly next: HostTables<R> | null;
}

/**
 * A host that requests name again and again: the router notes its tables here, and looks for them
 * once. The first is noted by itself, since another object would be another cache miss.
 */
export class RememberedHost<R extends Routable> {
  /** What the router's tables were when these were looked up; `null`: they never were. */
  era: object | null = null;
  table: UriTable<R> | null = null;
  next: HostTables<R> | null = null;
}

/** What became of the entries of one processor; numbers only grow, but for `pending`. */
export interface BatchCounts {
  readonly plugin: string;
  /** The `name` of the plugin's configuration. */
  readonly name: string;
  /** The resource that holds the configuration (`routes/1`). */
  readonly owner: string;
  /** The address of the gateway that the first entry was asked for at; `""`: there was none yet. */
  readonly serverAddr: string;
  /** Entries that wait or are being sent. */
  readonly pending: number;
  readonly sent: number;
  /** Entries for which there was no room. */
  readonly overflowed: number;
  /** Entries that were given up after the last attempt, or that their server refused. */
  readonly failed: number;
}

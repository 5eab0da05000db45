/**
 * What has happened, newest last: a bounded ring of transitions and configuration
 * applications, kept for `GET /status/events`.
 */

/** An event without its place in the journal. Texts never hold secrets; durations are milliseconds. */
export type JournalEntry =
  /** Every check passes; `afterMs` is how long it was not so. */
  | { readonly type: "ready"; readonly afterMs: number }
  /** A check fails; `cause` is the error of `GET /status/ready`. */
  | { readonly type: "unready"; readonly cause: string; readonly afterMs: number }
  | { readonly type: "worker-started"; readonly worker: number; readonly generation: number; readonly cause?: string }
  /** Runs with a configuration; `durationMs` since its thread was started. */
  | {
      readonly type: "worker-ready";
      readonly worker: number;
      readonly generation: number;
      readonly revision: number;
      readonly durationMs: number;
    }
  | { readonly type: "worker-exited"; readonly worker: number; readonly generation: number; readonly cause: string }
  /** A replacement was started for a worker that had died or hung. */
  | {
      readonly type: "worker-respawned";
      readonly worker: number;
      readonly generation: number;
      readonly restarts: number;
      readonly cause: string;
    }
  | { readonly type: "control-exited"; readonly cause: string }
  | { readonly type: "reload"; readonly cause: string; readonly durationMs?: number }
  /**
   * Every worker has applied `revision`. `fromRevision` is that of the event
   * before: where changes come in quick succession one event stands for several.
   */
  | {
      readonly type: "config-applied";
      readonly revision: number;
      readonly fromRevision: number;
      /** Resources that the last load changed, where control says so. */
      readonly changes?: number;
      readonly rejected: number;
      /** From acceptance to the last worker's application; the longest where it stands for several. */
      readonly durationMs: number;
    }
  /** The source cannot be read or parsed; the last good configuration keeps serving. */
  | { readonly type: "config-failed"; readonly error: string }
  | { readonly type: "config-recovered"; readonly revision: number }
  /** A resource failed its checks for this reason; `more`: others did too and have no event of their own. */
  | {
      readonly type: "rejected";
      /** As in `routes/1`. */
      readonly resource: string;
      readonly field: string;
      readonly error: string;
      readonly serving: "previous" | "nothing";
      readonly more: number;
    }
  /** A resource that was rejected no longer is: it was mended or deleted. */
  | { readonly type: "accepted"; readonly resource: string; readonly more: number }
  /** The health of a checked node has turned. */
  | {
      readonly type: "node-health";
      readonly upstream: string;
      /** `host:port`. */
      readonly node: string;
      readonly healthy: boolean;
      readonly more: number;
    }
  | { readonly type: "drain"; readonly on: boolean; readonly cause: string }
  /** A worker reports the revision of others with another content. */
  | {
      readonly type: "divergence";
      readonly worker: number;
      readonly revision: number;
      readonly hash: string;
      readonly expected: string;
    }
  /** A node of the fleet serves something else than most at the same revision. */
  | {
      readonly type: "node-divergence";
      readonly node: string;
      readonly revision: number;
      readonly hash: string;
      readonly expected: string;
    };

/** An event in the journal. */
export type JournalRecord = JournalEntry & {
  /** 1, 2, 3 … since the gateway was started. */
  readonly id: number;
  /** Unix milliseconds. */
  readonly at: number;
};

/** Called for every new event; must neither throw nor block. */
export type JournalSubscriber = (record: JournalRecord) => void;

/** Events kept. */
export const JOURNAL_CAPACITY = 256;
const MAX_SUBSCRIBERS = 256;

/** Entries of one kind that one look may add, so that a mass of them does not wash everything else out. */
const TOLD_AT_ONCE = 5;

/** The entries of a list that get an event; the last one says in `more` how many do not. */
export function firstOf<T>(list: readonly T[]): { readonly one: T; readonly more: number }[] {
  const told = list.slice(0, TOLD_AT_ONCE);
  return told.map((one, i) => ({ one, more: i === TOLD_AT_ONCE - 1 ? list.length - TOLD_AT_ONCE : 0 }));
}

/** The journal; used by the supervisor's thread only. */
export class Journal {
  readonly #unixNow: () => number;
  readonly #ring: JournalRecord[] = [];
  readonly #subscribers = new Set<JournalSubscriber>();
  #lastId = 0;

  constructor(unixNow: () => number = Date.now) {
    this.#unixNow = unixNow;
  }

  /** Appends an event and tells every subscriber. */
  add(entry: JournalEntry): JournalRecord {
    const record: JournalRecord = { id: ++this.#lastId, at: this.#unixNow(), ...entry };
    if (this.#ring.length < JOURNAL_CAPACITY) this.#ring.push(record);
    else this.#ring[(record.id - 1) % JOURNAL_CAPACITY] = record;
    for (const subscriber of this.#subscribers) subscriber(record);
    return record;
  }

  /** The id of the newest event; 0: there is none. */
  get lastId(): number {
    return this.#lastId;
  }

  /**
   * The events after `id` that are still kept, oldest first. An id that was never
   * given out is of an earlier run: all events are new to whoever holds it.
   */
  after(id: number): JournalRecord[] {
    const from = id > this.#lastId ? 0 : id;
    const oldest = this.#lastId - this.#ring.length;
    const records: JournalRecord[] = [];
    for (let next = Math.max(from, oldest) + 1; next <= this.#lastId; next++) {
      records.push(this.#ring[(next - 1) % JOURNAL_CAPACITY]!);
    }
    return records;
  }

  /** Follows the journal; returns how to stop, or `null` where too many follow it already. */
  subscribe(subscriber: JournalSubscriber): (() => void) | null {
    if (this.#subscribers.size >= MAX_SUBSCRIBERS) return null;
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }
}

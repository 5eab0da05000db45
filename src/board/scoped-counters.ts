import { monotonicUs } from "../lib/clock.ts";
import { contentHash, formatHash } from "../lib/content-hash.ts";
import type { Outcome } from "../lib/count-outcome.ts";
import { TextMap } from "../lib/text-map.ts";
import type { CounterTable } from "./counter-table.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";

/** Keys whose fingerprints a thread remembers: hashing costs more than counting. */
const REMEMBERED = 8_192;
/** Longer keys are hashed each time: clients may choose them, and memory is bounded. */
const LONGEST_REMEMBERED = 256;

/** The table as one thread uses it. */
export class CounterSource {
  readonly table: CounterTable;
  /** Microseconds. */
  readonly clock: () => number;
  readonly #known = new TextMap<Fingerprint>();

  constructor(table: CounterTable, clock: () => number = monotonicUs) {
    this.table = table;
    this.clock = clock;
  }

  /** The counters of a configuration of a plugin, the same in every worker. */
  of(plugin: string, owner: string, conf: string): ScopedCounters {
    return new ScopedCounters(this, plugin, scopeOf(plugin, `of ${owner}`, conf));
  }

  fingerprint(key: string): Fingerprint {
    if (key.length > LONGEST_REMEMBERED) return fingerprintOf(key);
    let known = this.#known.get(key);
    if (known === undefined) {
      known = fingerprintOf(key);
      this.#known.remember(key, known, REMEMBERED);
    }
    return known;
  }
}

/** What keys of the counters begin with: short, because it is put before every key. */
function scopeOf(plugin: string, owner: string, conf: string): string {
  return formatHash(contentHash(plugin, owner, conf));
}

/** What `plugin/counters.ts` promises. */
export class ScopedCounters {
  readonly #source: CounterSource;
  readonly #table: CounterTable;
  readonly #plugin: string;
  readonly scope: string;

  constructor(source: CounterSource, plugin: string, scope: string) {
    this.#source = source;
    this.#table = source.table;
    this.#plugin = plugin;
    this.scope = scope;
  }

  get value(): number {
    return this.#table.value;
  }

  get expires(): number {
    return this.#table.expires;
  }

  named(name: string): ScopedCounters {
    return new ScopedCounters(this.#source, this.#plugin, scopeOf(this.#plugin, "named", name));
  }

  now(): number {
    return this.#source.clock();
  }

  update(key: string, now: number, ttl: number, extend: boolean, next: (value: number) => number): Outcome {
    return this.#table.update(this.#fingerprint(key), now, ttl, extend, next);
  }

  peek(key: string, now: number): number {
    return this.#table.peek(this.#fingerprint(key), now);
  }

  hold(key: string, limit: number): number {
    return this.#table.hold(this.#fingerprint(key), limit);
  }

  giveBack(hold: number): void {
    this.#table.giveBack(hold);
  }

  #fingerprint(key: string): Fingerprint {
    return this.#source.fingerprint(this.scope + key);
  }
}

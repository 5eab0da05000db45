import { lookup as systemLookup, type LookupAddress, type LookupOptions } from "node:dns";
import { isIPv6, type LookupFunction } from "node:net";
import { nameKey, type Targets } from "./targets.ts";

/** How long a connection waits for word from the control thread, in milliseconds; it may have to be started again. */
const PATIENCE_MS = 5_000;

/**
 * Where connections to nodes find the addresses of names about which the control thread has
 * said nothing yet when their upstream was compiled: they wait for what it finds out, by the
 * resolver that is configured, so that nothing fails because it came a moment after its route.
 * Where control finds nothing, or says nothing in time, the system is asked.
 */
export class NameLookup {
  readonly #targets: Targets;
  /** What waits, by key. */
  readonly #waiting = new Map<string, Set<() => void>>();

  /** `targets`: what control has told, which the owner keeps up to date. */
  constructor(targets: Targets) {
    this.#targets = targets;
  }

  /** In the form in which Node's sockets ask. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    const key = nameKey(hostname);
    if (key === null || this.#targets.get(key) !== undefined) this.#answer(key, hostname, options, callback);
    else this.#wait(key, () => this.#answer(key, hostname, options, callback));
  };

  /** Control has told something of these keys. */
  told(keys: readonly string[]): void {
    if (this.#waiting.size === 0) return;
    for (const key of keys) for (const goOn of this.#waiting.get(key) ?? []) goOn();
  }

  #wait(key: string, then: () => void): void {
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting);
    const goOn = (): void => {
      clearTimeout(timer);
      waiting.delete(goOn);
      if (waiting.size === 0) this.#waiting.delete(key);
      then();
    };
    const timer = setTimeout(goOn, PATIENCE_MS);
    timer.unref();
    waiting.add(goOn);
  }

  #answer(key: string | null, hostname: string, options: LookupOptions, callback: Parameters<LookupFunction>[2]): void {
    const found = (key === null ? undefined : this.#targets.get(key)) ?? [];
    const { family = 0 } = options;
    const addresses = found
      .map(({ host }): LookupAddress => ({ address: host, family: isIPv6(host) ? 6 : 4 }))
      .filter((one) => family === 0 || one.family === Number(String(family).replace("IPv", "")));
    const [first] = addresses;
    if (first === undefined) systemLookup(hostname, options, callback);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  }
}

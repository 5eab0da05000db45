import type { WindowCount } from "./limit-window.ts";
import { monotonicMs } from "../lib/clock.ts";
import type { RedisLink } from "./redis-link.ts";
import { addInRedis } from "./redis-window.ts";

/** Keys whose counts a configuration holds in each worker; what is used longest ago is let go. */
const MAX_KEYS = 10_000;

/** What is known of a key's window. */
interface Held {
  readonly type: "fixed" | "sliding";
  readonly seconds: number;
  /** What the Redis had counted when it was last asked, what this worker had told it included. */
  counted: number;
  /** Passed here and not told yet. */
  pending: number;
  /** Monotonic milliseconds at which the window ends. */
  endsAt: number;
  /** Asked for since the last exchange: it is worth asking again. */
  used: boolean;
  /** The exchange that is under way. */
  exchange: Promise<void> | null;
}

/**
 * Windows counted in a Redis that is told and asked every `intervalMs` only: a request is
 * judged by what was counted everywhere at the last exchange, and here since. Between two
 * exchanges as many more may pass as other workers and gateways let through.
 */
export class DelayedCounts {
  readonly #redis: RedisLink;
  readonly #timer: NodeJS.Timeout;
  readonly #held = new Map<string, Held>();

  constructor(redis: RedisLink, intervalMs: number) {
    this.#redis = redis;
    this.#timer = setInterval(() => this.#exchangeAll(), intervalMs);
    this.#timer.unref();
  }

  /** As `countInRedis`; rejects where nothing is known of the key and the Redis does not answer. */
  count(type: "fixed" | "sliding", key: string, limit: number, seconds: number): WindowCount | Promise<WindowCount> {
    let held = this.#held.get(key);
    if (held === undefined || held.endsAt <= monotonicMs()) {
      // Of windows that follow each other the earlier one counts on.
      const pending = type === "sliding" ? (held?.pending ?? 0) : 0;
      held = { type, seconds, counted: 0, pending, endsAt: Infinity, used: true, exchange: null };
      this.#hold(key, held);
      this.#exchange(key, held);
    }
    const known = held;
    // Its first exchange is under way: nothing is known yet.
    if (known.exchange !== null && known.endsAt === Infinity) return known.exchange.then(() => judge(known, limit));
    return judge(known, limit);
  }

  /** Tells the Redis what it does not know yet. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#exchangeAll();
    await Promise.allSettled(Array.from(this.#held.values(), ({ exchange }) => exchange));
  }

  #hold(key: string, held: Held): void {
    this.#held.delete(key);
    this.#held.set(key, held);
    if (this.#held.size <= MAX_KEYS) return;
    for (const [oldest, other] of this.#held) {
      this.#held.delete(oldest);
      if (other.pending > 0) this.#exchange(oldest, other);
      return;
    }
  }

  #exchangeAll(): void {
    const now = monotonicMs();
    for (const [key, held] of this.#held) {
      const over = held.endsAt <= now && (held.type === "fixed" || !held.used);
      if (over) this.#held.delete(key);
      else if (held.used) this.#exchange(key, held);
    }
  }

  /** Tells and asks; where that fails what was not told waits for the next time. */
  #exchange(key: string, held: Held): void {
    if (held.exchange !== null) return;
    const told = held.pending;
    held.pending = 0;
    held.counted += told;
    held.used = false;
    const exchange = addInRedis(this.#redis, held.type, key, told, held.seconds).then(
      ({ used, restMs }) => {
        held.counted = used;
        held.endsAt = monotonicMs() + restMs;
      },
      (error: unknown) => {
        held.counted -= told;
        held.pending += told;
        held.used = true;
        if (held.endsAt !== Infinity) return;
        if (this.#held.get(key) === held) this.#held.delete(key);
        throw error;
      },
    );
    held.exchange = exchange;
    const done = (): void => void (held.exchange = null);
    exchange.then(done, done);
  }
}

function judge(held: Held, limit: number): WindowCount {
  const used = held.counted + held.pending;
  const passed = used < limit;
  held.used = true;
  if (passed) held.pending++;
  const remaining = Math.max(0, limit - used - (passed ? 1 : 0));
  return { passed, limit, remaining, reset: Math.max(0, Math.ceil((held.endsAt - monotonicMs()) / 1_000)) };
}

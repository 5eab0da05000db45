import { reasonOf } from "../../lib/errors.ts";
import { checkOcspResponse } from "../../tls/ocsp/ocsp-response.ts";
import type { Staple } from "../../tls/certificate-index.ts";
import { askResponder } from "./responder.ts";
import type { StapledCertificate } from "./stapled-certificate.ts";

/** Responders that are asked at the same time. */
const MAX_ASKED = 8;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 300_000;
/** No responder is asked more often, whatever it says about its next update. */
const MIN_REFRESH_MS = 10_000;

/** What an order is about. */
export interface StapleOrder {
  readonly certificate: StapledCertificate;
  /** `ssls/<id>`, for the log. */
  readonly owner: string;
  readonly skipVerify: boolean;
  /** `ocsp_stapling.cache_ttl`. */
  readonly ttlMs: number;
}

/** What a stapler works with. */
export interface StaplerParts {
  readonly publish: (staples: readonly Staple[]) => void;
  readonly log: { warn(message: string): void; info(message: string): void };
  /** Unix milliseconds. */
  readonly now?: () => number;
  readonly ask?: typeof askResponder;
}

/**
 * Keeps one certificate's response fresh:
 *
 *   due ──▶ asked ──▶ published, due again after `cache_ttl` or half of the time to its next update
 *    ▲        └── failed: due again after 1 s, 2 s, … 5 min; what was published counts until it runs out
 *    └── waiting for a place among those that are asked
 */
interface Order extends StapleOrder {
  timer: NodeJS.Timeout | null;
  failures: number;
  said: string | null;
  staple: Staple | null;
  readonly abort: AbortController;
}

/** Fetches responses for certificates and hands them out. */
export class Stapler {
  readonly #parts: StaplerParts;
  readonly #now: () => number;
  readonly #ask: typeof askResponder;
  readonly #orders = new Map<string, Order>();
  readonly #due: Order[] = [];
  #asked = 0;

  constructor(parts: StaplerParts) {
    this.#parts = parts;
    this.#now = parts.now ?? Date.now;
    this.#ask = parts.ask ?? askResponder;
  }

  /** Asks from now on under this key, or no longer (`null`). */
  set(key: string, order: StapleOrder | null): void {
    const held = this.#orders.get(key);
    if (held !== undefined) this.#drop(key, held);
    if (order === null) return;
    const next: Order = { ...order, timer: null, failures: 0, said: null, staple: null, abort: new AbortController() };
    this.#orders.set(key, next);
    this.#enqueue(next);
  }

  /** Everything there is now. */
  staples(): readonly Staple[] {
    return [...this.#orders.values()].flatMap(({ staple }) => staple ?? []);
  }

  close(): void {
    for (const [key, order] of this.#orders) this.#drop(key, order);
  }

  #drop(key: string, order: Order): void {
    this.#orders.delete(key);
    if (order.timer !== null) clearTimeout(order.timer);
    order.abort.abort();
    const waiting = this.#due.indexOf(order);
    if (waiting >= 0) this.#due.splice(waiting, 1);
  }

  #enqueue(order: Order): void {
    order.timer = null;
    this.#due.push(order);
    this.#next();
  }

  #next(): void {
    while (this.#asked < MAX_ASKED) {
      const order = this.#due.shift();
      if (order === undefined) return;
      this.#asked++;
      void this.#fetch(order).finally(() => {
        this.#asked--;
        this.#next();
      });
    }
  }

  async #fetch(order: Order): Promise<void> {
    const { certificate, abort, skipVerify } = order;
    try {
      const response = await this.#ask(certificate.url, certificate.request, abort.signal);
      if (abort.signal.aborted) return;
      const { id, issuer } = certificate;
      const now = this.#now();
      const said = checkOcspResponse(response, { id, issuer, now, skipSignature: skipVerify });
      if (said.status === "good") this.#fetched(order, response, said.nextUpdate);
      else this.#withdraw(order, `the certificate is ${said.status}`);
    } catch (error) {
      if (!abort.signal.aborted) this.#failed(order, reasonOf(error));
    }
  }

  #fetched(order: Order, response: Buffer, nextUpdate: number | null): void {
    const { certificate, ttlMs, owner } = order;
    const now = this.#now();
    const staple = { fingerprint: certificate.fingerprint, response, until: nextUpdate ?? now + ttlMs + LAST_RETRY_MS };
    order.staple = staple;
    if (order.said !== null) this.#parts.log.info(`${owner}: the OCSP responder ${certificate.url} answers again`);
    order.said = null;
    order.failures = 0;
    this.#parts.publish([staple]);
    const half = nextUpdate === null ? ttlMs : (nextUpdate - now) / 2;
    this.#again(order, Math.max(MIN_REFRESH_MS, Math.min(ttlMs, half)));
  }

  /** What the responder takes back is not shown until it runs out. */
  #withdraw(order: Order, reason: string): void {
    if (order.staple !== null) this.#parts.publish([{ ...order.staple, response: null }]);
    order.staple = null;
    this.#failed(order, reason);
  }

  #failed(order: Order, reason: string): void {
    if (order.said !== reason) {
      this.#parts.log.warn(`${order.owner}: no OCSP response from ${order.certificate.url}: ${reason}`);
    }
    order.said = reason;
    this.#again(order, Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** order.failures++));
  }

  #again(order: Order, ms: number): void {
    // Longer timers fire at once.
    order.timer = setTimeout(() => this.#enqueue(order), Math.min(ms, 2 ** 31 - 1)).unref();
  }
}

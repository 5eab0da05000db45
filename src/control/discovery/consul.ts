import { reasonOf } from "../../lib/errors.ts";
import type { ConsulSettings } from "../../settings/settings.ts";
import { askConsul, type ConsulAnswer } from "./consul-api.ts";
import { pause } from "./pause.ts";
import type { Lookup } from "./target-watch.ts";

/** Services in Consul: each one that was asked for is followed from then on. */
export interface Consul {
  /** The instances of a service whose checks pass; waits for the first answer. Never rejects. */
  look(service: string): Promise<Lookup>;
  /** Follows the service no longer. */
  forget(service: string): void;
  close(): void;
}

export interface ConsulParts {
  readonly settings: ConsulSettings;
  /** Certificates that those of servers are checked by. */
  readonly authorities: () => readonly string[];
  /** A service has other instances now, or why it has none is known. */
  readonly changed: (service: string) => void;
}

/** What Consul calls its own servers: no service for requests. */
const ITSELF = "consul";
/** How long a look at what is known already counts: changes are told besides. */
const TTL_MS = 60_000;
/** From one answer that was held back to the next question at least: a service that changes all the time must not cost more. */
const MIN_ROUND_MS = 1_000;

export function createConsul({ settings, authorities, changed }: ConsulParts): Consul {
  const services = new Map<string, ServiceWatch>();
  const forget = (service: string): void => {
    services.get(service)?.close();
    services.delete(service);
  };
  return {
    async look(service) {
      const { skipped, fallback } = settings;
      if (service === ITSELF || skipped.includes(service)) {
        if (fallback !== null) return { targets: [{ ...fallback, priority: 0 }], ttlMs: TTL_MS };
        return { failure: `${service} is skipped (discovery.consul.skip_services)`, answered: true };
      }
      let watch = services.get(service);
      if (watch === undefined) {
        watch = new ServiceWatch(service, settings, authorities, () => changed(service));
        services.set(service, watch);
      }
      return await watch.look();
    },
    forget,
    close() {
      for (const service of services.keys()) forget(service);
    },
  };
}

/** What was heard last, and where. */
interface Heard extends ConsulAnswer {
  readonly server: string;
}

/**
 * One service. The servers are asked in turn until one knows an instance; that one is
 * then asked with long polls (or every `fetch_interval` seconds) until it fails or knows
 * none any more.
 */
class ServiceWatch {
  readonly #service: string;
  readonly #settings: ConsulSettings;
  readonly #authorities: ConsulParts["authorities"];
  readonly #changed: () => void;
  readonly #closing = new AbortController();
  readonly #tried = Promise.withResolvers<void>();
  #known: Lookup | null = null;

  constructor(service: string, settings: ConsulSettings, authorities: ConsulParts["authorities"], changed: () => void) {
    this.#service = service;
    this.#settings = settings;
    this.#authorities = authorities;
    this.#changed = changed;
    void this.#run();
  }

  async look(): Promise<Lookup> {
    await this.#tried.promise;
    return this.#known ?? { failure: "it is not asked for any more" };
  }

  close(): void {
    this.#closing.abort();
    this.#tried.resolve();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let heard: Heard | null = null;
    while (!signal.aborted) {
      const began = performance.now();
      const held = this.#mayHold(heard);
      heard = heard === null ? await this.#askAll() : await this.#askAgain(heard);
      // A first answer is followed by a long poll at once.
      if (!held && this.#mayHold(heard)) continue;
      const { intervalMs } = this.#settings;
      const roundMs = held ? Math.min(MIN_ROUND_MS, intervalMs) : intervalMs;
      await pause(Math.max(0, began + roundMs - performance.now()), signal);
    }
  }

  /** Whether the next answer may be held back until something is different. */
  #mayHold(heard: Heard | null): boolean {
    return heard !== null && heard.index > 0 && this.#settings.waitMs !== null;
  }

  /** The first server that knows an instance; `null` where none does. */
  async #askAll(): Promise<Heard | null> {
    let failure = "no server is configured";
    let answers = 0;
    for (const server of this.#settings.servers) {
      try {
        const answer = await this.#ask(server, 0);
        if (answer.targets.length > 0 || this.#isOnly) return this.#take(server, answer);
        answers++;
        failure = knowsNobody(server, this.#service);
      } catch (thrown) {
        failure = `${server}: ${reasonOf(thrown)}`;
      }
    }
    this.#learn(this.#instead(failure, answers === this.#settings.servers.length));
    return null;
  }

  /** What counts where no server named an instance: `default_service`, once that is sure, or nothing is known. */
  #instead(failure: string, sure: boolean): Lookup {
    const { fallback } = this.#settings;
    if (fallback === null) return sure ? { failure, answered: true } : { failure };
    const targets = [{ ...fallback, priority: 0 }];
    if (sure) return { targets, ttlMs: TTL_MS };
    return this.#known !== null && "targets" in this.#known ? this.#known : { failure, otherwise: targets };
  }

  /** The server that answered last; the others where it fails or knows none any more. */
  async #askAgain({ server, index }: Heard): Promise<Heard | null> {
    try {
      const answer = await this.#ask(server, index);
      if (answer.targets.length > 0 || this.#isOnly) return this.#take(server, answer, index);
    } catch {
      // The others are asked, and it once more.
    }
    return this.#closing.signal.aborted ? null : await this.#askAll();
  }

  /** There is no other server to ask: it may hold back its answer also while it knows nobody. */
  get #isOnly(): boolean {
    return this.#settings.servers.length === 1;
  }

  #take(server: string, { targets, index }: ConsulAnswer, before = 0): Heard {
    const known = targets.length > 0;
    this.#learn(known ? { targets, ttlMs: TTL_MS } : this.#instead(knowsNobody(server, this.#service), true));
    // An index that goes back says that the server has begun anew.
    return { server, targets, index: index < before ? 0 : index };
  }

  #ask(server: string, index: number): Promise<ConsulAnswer> {
    const { token, weight, waitMs, answerMs } = this.#settings;
    const after = index > 0 && waitMs !== null ? { index, waitMs } : null;
    const question = { server, service: this.#service, authorities: this.#authorities, token, weight, answerMs, after };
    return askConsul(question, this.#closing.signal);
  }

  #learn(lookup: Lookup): void {
    if (this.#closing.signal.aborted) return;
    const before = this.#known;
    this.#known = lookup;
    this.#tried.resolve();
    if (before !== null && JSON.stringify(before) !== JSON.stringify(lookup)) this.#changed();
  }
}

function knowsNobody(server: string, service: string): string {
  return `${server} knows no passing instance of ${service}`;
}

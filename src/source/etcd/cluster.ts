import { setTimeout as sleep } from "node:timers/promises";
import { reasonOf, TurnpikeError } from "../../lib/errors.ts";
import type { EtcdSettings } from "../../settings/settings.ts";
import { Channel, type DuplexCall, type DuplexHandlers, type Metadata } from "./channel.ts";
import { Code, EtcdError } from "./etcd-error.ts";
import { authenticate, type Method } from "./rpc.ts";

/** How long one member may be silent during a call that another one can answer as well. */
const ATTEMPT_MS = 5_000;
/** How long a cluster without a leader is asked again, and the pause between two rounds over the members. */
const LEADERLESS_MS = 5_000;
const PAUSE_MS = 100;

/** Where the client's words go. */
export interface EtcdLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** A member of the cluster. */
export interface Member {
  /** `http://127.0.0.1:2379`, for people. */
  readonly name: string;
  /** A watch or lease that hangs: the member is left alone for a while and its connection ended. */
  markFailed(): void;
}

interface KnownMember extends Member {
  readonly channel: Channel;
  /** Monotonic milliseconds until which it is left alone. */
  avoidUntil: number;
}

/** A cluster as its users see it; must be closed. */
export interface EtcdCluster {
  /**
   * Calls a method on the first member that can answer, starting with the one that did
   * last. Rejects with EtcdError where etcd refused, with TurnpikeError
   * `SOURCE_UNAVAILABLE` where no member answered within `timeoutMs` (by default that of
   * the settings).
   */
  call<Q extends object, A extends object>(method: Method<Q, A>, request: Partial<Q>, timeoutMs?: number): Promise<A>;
  /** Opens a stream to the first member that accepts one; rejects as `call` does. */
  stream(path: string, handlers: DuplexHandlers): Promise<{ readonly call: DuplexCall; readonly member: Member }>;
  /** The token is got anew with the next call: a stream was refused, which may be the token's fault. */
  renewToken(): void;
  close(): void;
}

/** A cluster of the members that the settings name; it connects when it is first needed. */
export function createEtcdCluster(settings: EtcdSettings): EtcdCluster {
  return new Cluster(settings);
}

class Cluster implements EtcdCluster {
  readonly #settings: EtcdSettings;
  readonly #members: readonly KnownMember[];
  /** Index of the member that answered last. */
  #preferred: number;
  #token: Promise<string> | null = null;
  #lastToken = "";
  #closed = false;

  constructor(settings: EtcdSettings) {
    this.#settings = settings;
    this.#members = settings.hosts.map((host) => this.#member(host));
    // Nodes that start together spread over the members.
    this.#preferred = Math.floor(Math.random() * this.#members.length);
  }

  async call<Q extends object, A extends object>(
    method: Method<Q, A>,
    request: Partial<Q>,
    timeoutMs: number = this.#settings.timeoutMs,
  ): Promise<A> {
    const bytes = method.request.encode(request);
    const answer = await this.#onSomeMember(timeoutMs, method.repeatable, async (member, leftMs) => {
      const limits = { timeoutMs: leftMs, silenceMs: method.repeatable ? ATTEMPT_MS : leftMs };
      return await this.#withToken(member, (metadata) => member.channel.unary(method.path, bytes, metadata, limits));
    });
    try {
      return method.response.decode(answer);
    } catch (error) {
      throw unavailable([`${method.path}: ${reasonOf(error)}`]);
    }
  }

  async stream(path: string, handlers: DuplexHandlers): Promise<{ call: DuplexCall; member: Member }> {
    return await this.#onSomeMember(this.#settings.timeoutMs, true, async (member) => {
      const call = await this.#withToken(member, (metadata) => member.channel.duplex(path, metadata, handlers));
      return { call, member };
    });
  }

  renewToken(): void {
    this.#token = null;
  }

  close(): void {
    this.#closed = true;
    for (const { channel } of this.#members) channel.close();
  }

  #member(host: string): KnownMember {
    const url = new URL(host);
    const origin = `${url.protocol}//${url.host}`;
    const channel = new Channel(origin, this.#settings.tls);
    const member: KnownMember = {
      name: origin,
      channel,
      avoidUntil: 0,
      markFailed: () => {
        member.avoidUntil = performance.now() + this.#settings.healthCheckTimeoutMs;
        channel.close();
      },
    };
    return member;
  }

  /** Those that are not left alone, from the preferred one on; the others come last, the one that failed first before. */
  #candidates(): readonly KnownMember[] {
    const now = performance.now();
    const turned = [...this.#members.slice(this.#preferred), ...this.#members.slice(0, this.#preferred)];
    const avoided = turned.filter(({ avoidUntil }) => avoidUntil > now);
    const usable = turned.filter(({ avoidUntil }) => avoidUntil <= now);
    return [...usable, ...avoided.sort((a, b) => a.avoidUntil - b.avoidUntil)];
  }

  async #onSomeMember<T>(
    timeoutMs: number,
    repeatable: boolean,
    attempt: (member: KnownMember, leftMs: number) => Promise<T>,
  ): Promise<T> {
    const startedAt = performance.now();
    const deadline = startedAt + timeoutMs;
    const patience = Math.min(deadline, startedAt + LEADERLESS_MS);
    let failures: string[] = [];
    for (;;) {
      const before = failures;
      failures = [];
      let again = false;
      for (const member of this.#candidates()) {
        const leftMs = deadline - performance.now();
        if (leftMs <= 0 || this.#closed) break;
        try {
          const result = await attempt(member, leftMs);
          member.avoidUntil = 0;
          this.#preferred = this.#members.indexOf(member);
          return result;
        } catch (error) {
          if (!(error instanceof EtcdError) || error.final) throw error;
          failures.push(`${member.name}: ${error.message}`);
          // What was sent and stays without an answer may have been done: it is for the caller to look.
          if (error.sent && !error.refusedForNow && !repeatable) throw unavailable(failures);
          if (error.answered) again = true;
          // A call that had no time left says nothing of the member.
          else if (error.code !== Code.deadlineExceeded || leftMs >= ATTEMPT_MS) member.markFailed();
        }
      }
      if (this.#closed) throw unavailable(["closed"]);
      if (!again || performance.now() + PAUSE_MS >= patience) {
        throw unavailable(failures.length > 0 ? failures : before);
      }
      await sleep(PAUSE_MS * (0.5 + Math.random()));
    }
  }

  /** Runs a call with the token, and once more with a new one where that is what was missing. */
  async #withToken<T>(member: KnownMember, run: (metadata: Metadata) => Promise<T>): Promise<T> {
    // A member without a leader is to say so instead of waiting.
    const metadata: Metadata = { hasleader: "true" };
    const { user } = this.#settings;
    if (user === null) return await run(metadata);
    const token = await this.#tokenFrom(member);
    try {
      return await run({ ...metadata, token });
    } catch (error) {
      if (!(error instanceof EtcdError) || !error.needsToken) throw error;
    }
    // Another call may have got a new one meanwhile.
    if (token === this.#lastToken) this.renewToken();
    return await run({ ...metadata, token: await this.#tokenFrom(member) });
  }

  async #tokenFrom(member: KnownMember): Promise<string> {
    this.#token ??= this.#authenticate(member);
    const asked = this.#token;
    try {
      return (this.#lastToken = await asked);
    } catch (error) {
      if (this.#token === asked) this.#token = null;
      throw error;
    }
  }

  async #authenticate(member: KnownMember): Promise<string> {
    const { user, password } = this.#settings;
    const limits = { timeoutMs: ATTEMPT_MS, silenceMs: ATTEMPT_MS };
    const request = authenticate.request.encode({ name: user ?? "", password: password ?? "" });
    try {
      const answer = await member.channel.unary(authenticate.path, request, {}, limits);
      return authenticate.response.decode(answer).token;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      // Nothing of the call itself has been sent.
      throw new EtcdError(error.code, `login of ${user}: ${error.message}`, { sent: false, answered: error.answered });
    }
  }
}

function unavailable(failures: readonly string[]): TurnpikeError {
  const reason = failures.length === 0 ? "no member answered in time" : failures.join("; ");
  return new TurnpikeError("SOURCE_UNAVAILABLE", `etcd: ${reason}`);
}

import type { Redis, RedisOptions } from "ioredis";
import { reasonOf } from "../lib/errors.ts";

/** The fields of a `policy` with one Redis. */
export interface RedisConf {
  readonly policy: string;
  readonly redis_host?: string;
  readonly redis_port?: number;
  readonly redis_username?: string;
  readonly redis_password?: string;
  readonly redis_database?: number;
  readonly redis_timeout?: number;
  readonly redis_ssl?: boolean;
  readonly redis_ssl_verify?: boolean;
}

/** Longest pause before it is tried again to connect, milliseconds. */
const LONGEST_PAUSE_MS = 1_000;

/** A connection to the Redis of a configuration; the client is loaded and connects when it is first used. */
export class RedisLink {
  readonly #options: RedisOptions;
  #client: Promise<Redis> | null = null;
  #closed = false;

  constructor(conf: RedisConf) {
    const { redis_username: username, redis_password: password, redis_timeout: timeout = 1_000 } = conf;
    this.#options = {
      host: conf.redis_host ?? "",
      port: conf.redis_port ?? 6_379,
      db: conf.redis_database ?? 0,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined || password === "" ? {} : { password }),
      ...(conf.redis_ssl === true ? { tls: { rejectUnauthorized: conf.redis_ssl_verify === true } } : {}),
      connectTimeout: timeout,
      commandTimeout: timeout,
      // A request that cannot be counted now is answered now.
      maxRetriesPerRequest: 0,
      retryStrategy: (times) => Math.min(times * 50, LONGEST_PAUSE_MS),
    };
  }

  /** Runs a script on one key; rejects within `redis_timeout`, about, where there is no answer. */
  async run(script: string, key: string, ...args: readonly number[]): Promise<unknown> {
    try {
      const client = await (this.#client ??= this.#connect());
      return await client.eval(script, 1, key, ...args);
    } catch (error) {
      throw new Error(`Redis: ${reasonOf(error)}`, { cause: error });
    }
  }

  close(): void {
    this.#closed = true;
    void this.#client?.then((client) => client.disconnect());
  }

  async #connect(): Promise<Redis> {
    const { Redis } = await import("ioredis");
    const client = new Redis(this.#options);
    // What fails is told to who waits for it.
    client.on("error", () => undefined);
    if (this.#closed) client.disconnect();
    return client;
  }
}

/** The Redis that a configuration counts in; `null`: it counts here. Throws for what is not available. */
export function createRedisLink(conf: RedisConf & { readonly sync_interval?: number }): RedisLink | null {
  if (conf.policy === "local") return null;
  if (conf.policy !== "redis") throw new Error(`policy ${conf.policy} is not available in this version`);
  if ((conf.sync_interval ?? -1) !== -1) throw new Error("sync_interval is not available in this version");
  return new RedisLink(conf);
}

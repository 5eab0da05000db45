import type { Cluster, Redis } from "ioredis";
import { reasonOf } from "../lib/errors.ts";
import { clusterOptions, nodesOf, redisOptions, sentinelOptions, timeoutOf, type RedisConf } from "./redis-options.ts";

/** A connection to the Redis of a configuration; the client is loaded and connects when it is first used. */
export class RedisLink {
  readonly #conf: RedisConf;
  readonly #timeoutMs: number;
  #client: Promise<Redis | Cluster> | null = null;
  /** Why the last attempt to connect failed. */
  #unreachable: string | null = null;
  #closed = false;

  constructor(conf: RedisConf) {
    this.#conf = conf;
    this.#timeoutMs = timeoutOf(conf);
  }

  /** Runs a script on one key; rejects where there is no answer in time. */
  async run(script: string, key: string, ...args: readonly (number | string)[]): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("no answer in time")), this.#timeoutMs);
    });
    try {
      return await Promise.race([this.#run(script, key, args), late]);
    } catch (error) {
      throw new Error(`Redis: ${this.#reasonOf(error)}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#closed = true;
    void this.#client?.then((client) => client.disconnect());
  }

  /** The client tells of its attempts only that they are used up. */
  #reasonOf(error: unknown): string {
    const usedUp = error instanceof Error && error.name === "MaxRetriesPerRequestError";
    return usedUp && this.#unreachable !== null ? this.#unreachable : reasonOf(error);
  }

  async #run(script: string, key: string, args: readonly (number | string)[]): Promise<unknown> {
    const client = await (this.#client ??= this.#connect());
    return await client.eval(script, 1, key, ...args);
  }

  async #connect(): Promise<Redis | Cluster> {
    const { Cluster, Redis } = await import("ioredis");
    const conf = this.#conf;
    const client =
      conf.policy === "redis-cluster"
        ? new Cluster(nodesOf(conf), clusterOptions(conf))
        : new Redis(conf.policy === "redis" ? redisOptions(conf) : sentinelOptions(conf));
    // What fails is told to who waits for it.
    client.on("error", (error: unknown) => (this.#unreachable = reasonOf(error)));
    if (this.#closed) client.disconnect();
    return client;
  }
}

/** The Redis that a configuration counts in; `null`: it counts here. Throws where it cannot be. */
export function createRedisLink(conf: RedisConf): RedisLink | null {
  if (conf.policy === "local") return null;
  nodesOf(conf);
  return new RedisLink(conf);
}

import type { ClusterOptions, CommonRedisOptions, RedisOptions } from "ioredis";

/** The fields of a `policy` with Redis, and what they mean to the client. */
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
  readonly redis_cluster_nodes?: readonly string[];
  readonly redis_cluster_ssl?: boolean;
  readonly redis_cluster_ssl_verify?: boolean;
  readonly redis_sentinels?: readonly { readonly host: string; readonly port: number }[];
  readonly redis_master_name?: string;
  readonly redis_role?: "master" | "slave";
  readonly redis_connect_timeout?: number;
  readonly redis_read_timeout?: number;
  readonly sentinel_username?: string;
  readonly sentinel_password?: string;
  readonly sync_interval?: number;
}

const DEFAULT_TIMEOUT_MS = 1_000;

/** How long an answer may take, milliseconds. */
export function timeoutOf(conf: RedisConf): number {
  return (conf.policy === "redis-sentinel" ? conf.redis_read_timeout : conf.redis_timeout) ?? DEFAULT_TIMEOUT_MS;
}

/** Attempts to connect follow each other in growing pauses, milliseconds. */
const pauseAfter = (times: number): number => Math.min(times * 50, 1_000);

/** What holds for every connection to a Redis. */
function common(conf: RedisConf, connectTimeout: number, ssl = false, verify = false): CommonRedisOptions {
  const { redis_username: username, redis_password: password } = conf;
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined || password === "" ? {} : { password }),
    ...(ssl ? { tls: { rejectUnauthorized: verify } } : {}),
    connectTimeout,
    // A connection without answers is closed, so that what waits for them is bounded.
    socketTimeout: timeoutOf(conf),
    // A request that cannot be counted now is answered now.
    maxRetriesPerRequest: 0,
    retryStrategy: pauseAfter,
  };
}

export function redisOptions(conf: RedisConf): RedisOptions {
  return {
    ...common(conf, timeoutOf(conf), conf.redis_ssl, conf.redis_ssl_verify),
    host: conf.redis_host ?? "",
    port: conf.redis_port ?? 6_379,
    db: conf.redis_database ?? 0,
  };
}

export function clusterOptions(conf: RedisConf): ClusterOptions {
  return {
    redisOptions: common(conf, timeoutOf(conf), conf.redis_cluster_ssl, conf.redis_cluster_ssl_verify),
    slotsRefreshTimeout: timeoutOf(conf),
    clusterRetryStrategy: pauseAfter,
  };
}

export function sentinelOptions(conf: RedisConf): RedisOptions {
  const { sentinel_username: username, sentinel_password: password, redis_connect_timeout: timeout } = conf;
  return {
    ...common(conf, timeout ?? DEFAULT_TIMEOUT_MS),
    sentinels: [...(conf.redis_sentinels ?? [])],
    name: conf.redis_master_name ?? "",
    role: conf.redis_role ?? "master",
    db: conf.redis_database ?? 0,
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined || password === "" ? {} : { sentinelPassword: password }),
    sentinelRetryStrategy: pauseAfter,
  };
}

/** The nodes of a cluster to begin with; throws where one is no `host:port`. */
export function nodesOf({ redis_cluster_nodes: nodes = [] }: RedisConf): { host: string; port: number }[] {
  return nodes.map((node) => {
    const [, host, port] = /^\[?([^\]/]+?)\]?:(\d{1,5})$/.exec(node) ?? [];
    if (host === undefined || Number(port) > 65_535) throw new Error(`redis_cluster_nodes: ${node} is no host:port`);
    return { host, port: Number(port) };
  });
}

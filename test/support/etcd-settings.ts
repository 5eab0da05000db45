import type { EtcdSettings } from "../../src/settings/settings.ts";

/** Settings for etcd on these addresses. */
export function etcdSettings(hosts: readonly string[], more: Partial<EtcdSettings> = {}): EtcdSettings {
  return {
    hosts,
    prefix: "/apisix",
    user: null,
    password: null,
    timeoutMs: 10_000,
    watchTimeoutMs: 2_000,
    healthCheckTimeoutMs: 10_000,
    startupRetry: 0,
    tls: null,
    ...more,
  };
}

/** Tries until it succeeds, as a client of etcd does while a leader is elected. */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries > 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

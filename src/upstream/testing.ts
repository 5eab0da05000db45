import type { UpstreamNode } from "./upstream.ts";

/** A node on this machine, for tests and benchmarks. */
export function nodeAt(
  port: number,
  { host = "127.0.0.1", weight = 1, priority = 0 }: Partial<Pick<UpstreamNode, "host" | "weight" | "priority">> = {},
): UpstreamNode {
  const address = `${host}:${port}`;
  return {
    host,
    port,
    weight,
    priority,
    address,
    identity: address,
    hostHeader: address,
    poolKey: address,
    health: null,
  };
}

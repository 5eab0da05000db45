import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Gateway, startGateway } from "./gateway.ts";
import { freePort } from "./ports.ts";

/** A gateway that proxies streams. */
export interface Streams {
  readonly gateway: Gateway;
  /** Two ports for TCP, and one for UDP. */
  readonly tcp: readonly [number, number];
  readonly udp: number;
}

/** A gateway of two workers that proxies streams and nothing else. */
export async function startStreams(
  t: TestContext,
  standalone: object,
  apisix: object = {},
  more: object = {},
): Promise<Streams> {
  const tcp = [await freePort(), await freePort()] as const;
  const udp = await freePort();
  const gateway = await startGateway(t, {
    standalone,
    config: {
      apisix: {
        proxy_mode: "stream",
        stream_proxy: { tcp: [tcp[0], `127.0.0.1:${tcp[1]}`], udp: [`127.0.0.1:${udp}`] },
        ...apisix,
      },
      ...more,
    },
  });
  await gateway.until(200);
  return { gateway, tcp, udp };
}

/** Writes the configuration and waits until every worker has it. */
export async function apply(gateway: Gateway, standalone: object): Promise<void> {
  const revision = await gateway.revision();
  gateway.writeStandalone(standalone);
  assert.equal((await gateway.applied(revision + 1)).status, 200);
  assert.deepEqual((await gateway.status("/status/config")).json().rejected, []);
}

/** A stream route to nodes of equal weight. */
export const route = (id: string, nodes: readonly string[], more: object = {}, upstream: object = {}): object => ({
  id,
  upstream: { type: "roundrobin", nodes: Object.fromEntries(nodes.map((node) => [node, 1])), ...upstream },
  ...more,
});

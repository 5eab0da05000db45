import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, type TestContext } from "node:test";
import { freePort } from "./ports.ts";
import { type Gateway, type GatewayOptions, makePrefix, runIn, startGateway } from "./gateway.ts";

let shared: Promise<Gateway> | null = null;
after(async () => await (await shared)?.close());

/**
 * A gateway of one worker that serves this configuration, all of it accepted. The tests of a
 * file share one, which gets the configuration of each in turn; options start another one.
 */
export async function serving(
  t: TestContext,
  standalone: object,
  options?: Omit<GatewayOptions, "standalone">,
): Promise<Gateway> {
  const gateway = options === undefined ? await configured(standalone) : await started(t, standalone, options);
  assert.deepEqual((await gateway.status("/status/config")).json().rejected, []);
  return gateway;
}

async function started(t: TestContext, standalone: object, options: GatewayOptions): Promise<Gateway> {
  const gateway = await startGateway(t, { workers: 1, ...options, standalone });
  await gateway.until(200);
  return gateway;
}

async function configured(standalone: object): Promise<Gateway> {
  shared ??= startShared();
  const gateway = await shared;
  const file = join(gateway.prefix, "conf", "apisix.yaml");
  const before = readFileSync(file, "utf8");
  const revision = await gateway.revision();
  gateway.writeStandalone(standalone);
  // The same content is no new revision.
  const { status, text } = await gateway.applied(revision + (readFileSync(file, "utf8") === before ? 0 : 1));
  assert.equal(status, 200, text);
  return gateway;
}

async function startShared(): Promise<Gateway> {
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const gateway = runIn(makePrefix(ports, { workers: 1 }), ports);
  await gateway.until(200);
  return gateway;
}

/** A route of everything to these nodes. */
export function to(nodes: Readonly<Record<string, number>>, upstream: object = {}, route: object = {}): object {
  return { id: "all", uri: "/*", upstream: { nodes, ...upstream }, ...route };
}

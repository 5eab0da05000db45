// Takes the pictures of the status page in docs/images/: `node scripts/status-pictures.ts`.
// A real gateway with traffic, an unhealthy node, a rejected route and a worker that crashed.
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openPage, startBrowser } from "../test/support/browser.ts";
import { type Gateway, makePrefix, type Ports, routeTo, runIn } from "../test/support/gateway.ts";
import { freePort } from "../test/support/ports.ts";

const images = fileURLToPath(new URL("../docs/images/", import.meta.url));

const sizes = [
  { name: "wide", width: 1440, height: 1000, scale: 1 },
  { name: "phone", width: 390, height: 844, scale: 2 },
] as const;

async function startOrigin(): Promise<{ node: string; close(): void }> {
  const server = createServer((_request, response) => response.end("ok\n"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { node: `127.0.0.1:${port}`, close: () => server.close().closeAllConnections() };
}

function configuration(node: string, dead: string, uri: unknown): object {
  const checks = { active: { type: "tcp", healthy: { interval: 1 }, unhealthy: { interval: 1, tcp_failures: 1 } } };
  return {
    routes: [
      { id: "shop", ...routeTo(node, "/shop/*") },
      { id: "search", uri, upstream_id: "search" },
    ],
    upstreams: [{ id: "search", type: "roundrobin", nodes: { [node]: 1, [dead]: 1 }, checks }],
  };
}

/** Requests until told to stop, more and fewer of them in turn. */
async function traffic(gateway: Gateway, stop: AbortSignal): Promise<void> {
  for (let round = 0; !stop.aborted; round++) {
    const rate = 4 + Math.round(3 * Math.sin(round / 25)) + (round % 7 === 0 ? 3 : 0);
    await Promise.all(Array.from({ length: rate }, async () => await gateway.get("/shop/cart").catch(() => null)));
    await setTimeout(20);
  }
}

const ports: Ports = [await freePort(), await freePort(), await freePort()];
const origin = await startOrigin();
const dead = `127.0.0.1:${await freePort()}`;
const options = { workers: 4, faults: "on", standalone: configuration(origin.node, dead, "/search") };
const gateway = runIn(makePrefix(ports, options), ports, options);
const stop = new AbortController();
const browser = await startBrowser();
try {
  await gateway.until(200);
  const load = traffic(gateway, stop.signal);
  await setTimeout(20_000);
  await gateway.fault(2, "crash");
  await setTimeout(20_000);
  gateway.writeStandalone(configuration(origin.node, dead, 7));
  await setTimeout(5_000);
  mkdirSync(images, { recursive: true });
  for (const { name, width, height, scale } of sizes) {
    for (const colorScheme of ["light", "dark"] as const) {
      const viewport = { width, height };
      const shown = { viewport, colorScheme, deviceScaleFactor: scale };
      const { page, context } = await openPage(browser, gateway.statusUrl, shown);
      await page.goto(gateway.statusUrl);
      await page.locator("#timeline li").first().waitFor();
      await page.screenshot({ path: `${images}status-${name}-${colorScheme}.png` });
      if (process.argv.includes("--whole"))
        await page.screenshot({ path: `/tmp/${name}-${colorScheme}.png`, fullPage: true });
      await context.close();
    }
  }
  stop.abort();
  await load;
} finally {
  stop.abort();
  await browser.close();
  await gateway.close();
  origin.close();
}

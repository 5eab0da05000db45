import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";
import { reasonOf } from "../../lib/errors.ts";
import { createServer } from "../../lib/node-http.ts";
import { statusPage } from "../../lib/status-pages.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Address } from "../../settings/settings.ts";

/** Limits on what scrapers may cost. */
const MAX_CONNECTIONS = 64;
const MAX_SCRAPES = 8;
const REQUEST_TIMEOUT_MS = 5_000;
/** How long a scraper may take to read its answer. */
const SCRAPE_LIMIT_MS = 30_000;

/** Answered besides the configured path. */
const ALIAS = "/metrics";
const CONTENT_TYPE = "text/plain; charset=utf-8";

/** What is served. */
export interface MetricsSource {
  pieces(): AsyncIterable<string>;
}

/**
 * The export server (`plugin_attr.prometheus.export_addr`). As in APISIX whatever is not a
 * GET of the metrics is 404.
 */
export function createMetricsServer(source: MetricsSource, path: string, log: Pick<Logger, "error">): Server {
  const server = createServer({ headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS });
  server.maxConnections = MAX_CONNECTIONS;
  let scrapes = 0;
  server.on("request", (request, response) => {
    const asked = request.url?.split("?")[0];
    if (request.method !== "GET" || (asked !== path && asked !== ALIAS)) refuse(request, response, 404);
    else if (scrapes >= MAX_SCRAPES) refuse(request, response, 503);
    else {
      scrapes++;
      send(source, response)
        .catch((error: unknown) => {
          log.error(`prometheus: the metrics could not be sent: ${reasonOf(error)}`);
          response.destroy();
        })
        .finally(() => scrapes--);
    }
  });
  return server;
}

/** Listens and resolves with the address; rejects with the system's error. */
export async function listenMetrics(server: Server, address: Address): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.ip, resolve);
  });
  const { address: ip, port } = server.address() as AddressInfo;
  return { ip, port };
}

async function send(source: MetricsSource, response: ServerResponse): Promise<void> {
  const limit = setTimeout(() => response.destroy(), SCRAPE_LIMIT_MS);
  response.writeHead(200, { "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store" });
  try {
    for await (const piece of source.pieces()) {
      if (response.destroyed) return;
      if (piece === "") continue;
      if (response.write(piece)) await setImmediate();
      else await writable(response);
    }
    response.end();
  } finally {
    clearTimeout(limit);
  }
}

/** Resolves when more can be written, or nothing any more. */
async function writable(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number): void {
  // What is left of a body that nobody reads must not be taken for the next request.
  if (!request.complete) response.shouldKeepAlive = false;
  const page = statusPage(status, "Turnpike");
  response.writeHead(status, { "Content-Type": "text/html; charset=utf-8", "Content-Length": Buffer.byteLength(page) });
  response.end(page);
}

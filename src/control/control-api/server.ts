import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { reasonOf } from "../../lib/errors.ts";
import { createServer } from "../../lib/node-http.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Address } from "../../settings/settings.ts";
import { refuse, type ControlAnswer, type Endpoint } from "./endpoint.ts";

/** Limits on what a client may cost. */
const MAX_BODY_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 256;
const REQUEST_TIMEOUT_MS = 5_000;

/**
 * The Control API (`apisix.control`, loopback by default): what this node has loaded, and
 * what operators may do to it. Reading the node's state is the Status API's part.
 *
 * As in APISIX a request that no endpoint answers is 404, whichever its method.
 */
export function createControlApi(endpoints: readonly Endpoint[], log: Pick<Logger, "error">): Server {
  const server = createServer({ headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS });
  server.maxConnections = MAX_CONNECTIONS;
  server.on("request", (request, response) => {
    answerTo(endpoints, request)
      .catch((error: unknown) => {
        log.error(`control: ${request.method} ${request.url}: ${reasonOf(error)}`);
        return refuse(500, "internal error; the error log of this node says more");
      })
      .then((answer) => send(request, response, answer))
      // The client may be gone.
      .catch(() => response.destroy());
  });
  return server;
}

/** Listens and resolves with the address; rejects with the system's error. */
export async function listenControlApi(server: Server, address: Address): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.ip, resolve);
  });
  const { address: ip, port } = server.address() as AddressInfo;
  return { ip, port };
}

async function answerTo(endpoints: readonly Endpoint[], request: IncomingMessage): Promise<ControlAnswer> {
  const target = parseTarget(request.url ?? "/");
  if (target === null) return refuse(400, "the path cannot be decoded");
  const { path, query } = target;
  const fitting = endpoints.filter((endpoint) => restOf(endpoint, path) !== null);
  const endpoint = fitting.find(({ method }) => method === request.method);
  if (endpoint === undefined) return notFound(endpoints, fitting, request.method ?? "");
  const body = await readBody(request);
  if (body === null) return refuse(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
  const rest = restOf(endpoint, path) ?? [];
  const wantsPage = request.headers.accept?.includes("text/html") === true;
  return await endpoint.answer({ rest, query, body, wantsPage });
}

interface Target {
  /** Decoded, segment by segment. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

function parseTarget(target: string): Target | null {
  const question = target.indexOf("?");
  const path = question === -1 ? target : target.slice(0, question);
  const query = new URLSearchParams(question === -1 ? "" : target.slice(question + 1));
  try {
    // As nginx does, several slashes are one.
    return { path: path.replace(/^\/+/, "").split(/\/+/).map(decodeURIComponent), query };
  } catch {
    return null;
  }
}

/** What of `path` follows the endpoint's; `null`: it is not the endpoint's. */
function restOf(endpoint: Endpoint, path: readonly string[]): readonly string[] | null {
  const own = endpoint.path.split("/").slice(1);
  const open = own.at(-1) === "";
  if (open) own.pop();
  if (open ? path.length <= own.length : path.length !== own.length) return null;
  if (own.some((segment, i) => segment !== path[i])) return null;
  const rest = path.slice(own.length);
  while (rest.at(-1) === "") rest.pop();
  return rest;
}

function notFound(endpoints: readonly Endpoint[], fitting: readonly Endpoint[], method: string): ControlAnswer {
  const [other] = fitting;
  if (other !== undefined) return refuse(404, `${method} is not answered here, but ${other.method} is`);
  return refuse(404, "not found", { endpoints: endpoints.map(({ method, path }) => `${method} ${path}`) });
}

/** The body as text; `null` where it is too large. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, type }: ControlAnswer): void {
  const text = typeof body === "string" ? body : `${JSON.stringify(body)}\n`;
  // What is left of a body that nobody reads must not be taken for the next request.
  if (!request.complete) response.shouldKeepAlive = false;
  response.writeHead(status, {
    "Content-Type": typeof body === "string" ? (type ?? "text/plain; charset=utf-8") : "application/json",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
  });
  response.end(text);
}

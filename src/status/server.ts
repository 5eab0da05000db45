import type { IncomingMessage, ServerResponse } from "node:http";
import { BlockList, type AddressInfo, type Socket } from "node:net";
import { createServer } from "../lib/node-http.ts";
import type { Address, StatusSettings } from "../settings/settings.ts";
import { errorAnswer, rawAnswer, send, type Answer } from "./answers.ts";
import { createBarrier, parseBarrier } from "./barrier.ts";
import { boundConnections } from "./connections.ts";
import type { StatusDeps } from "./deps.ts";
import { buildEndpoints, isAsked, unknownPath } from "./endpoints.ts";
import { streamEvents } from "./event-stream.ts";
import { buildHostCheck } from "./host-check.ts";
import { createLiveState } from "./live-state.ts";
import { pageAnswer, PAGE_FILES } from "./page-files.ts";

/** Limits on what a client may cost; a probe needs a fraction of each. */
const MAX_HEADER_BYTES = 8 * 1024;
const REQUEST_TIMEOUT_MS = 5000;
const KEEP_ALIVE_MS = 5000;
const IDLE_MS = 10_000;
/** How long connections may take to end once the server closes. */
const CLOSE_GRACE_MS = 250;

const READY = "/status/ready";
const noQuery = new URLSearchParams();
const forbidden = errorAnswer(
  403,
  "details are answered only to the addresses in apisix.status.allow_details; /status and /status/ready answer everybody",
);
const wrongHost = errorAnswer(
  403,
  "details are answered under addresses, localhost, names without a dot and those in apisix.status.allow_hosts; the Host header names another",
);
const tooManyStreams = errorAnswer(503, "too many clients follow the events");

/** The Status API's server. */
export interface StatusServer {
  /** Resolves with the address bound; rejects with Node's error (`EADDRINUSE`, …) where that fails. */
  listen(address: Address): Promise<Address>;
  /** From now on these say who is answered details; connections stay. */
  allow(settings: StatusSettings): void;
  /** Answers those who wait, and resolves when every connection has ended. */
  close(): Promise<void>;
}

/** A request in parts, as the handlers want it. */
interface Exchange {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Creates the server; it changes nothing, whatever is sent to it. */
export function createStatusServer(deps: StatusDeps): StatusServer {
  const endpoints = buildEndpoints(deps);
  const barrier = createBarrier(deps);
  const live = createLiveState(deps);
  let allowed = buildAllowList(deps.settings.allowDetails);
  let isKnownHost = buildHostCheck(deps.settings.allowHosts);
  const answering = new WeakSet<Socket>();
  const streams = new Set<() => void>();
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 1000,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Node's own answer to a missing Host has no body; `handle` gives one.
    requireHostHeader: false,
    noDelay: true,
  });
  server.timeout = IDLE_MS;
  const connections = boundConnections(server);

  function handle(request: IncomingMessage, response: ServerResponse): void {
    answering.add(request.socket);
    response.once("close", () => void answering.delete(request.socket));
    const answer = answerTo(request, response);
    if (answer !== null) send(response, answer);
  }

  /** The answer, or `null` where it is made later. */
  function answerTo(request: IncomingMessage, response: ServerResponse): Answer | null {
    if (request.headers.host === undefined && request.httpVersion === "1.1") {
      // RFC 9112, 3.2: a request without Host is answered with 400.
      return errorAnswer(400, "the Host header is missing");
    }
    const exchange = { ...splitTarget(request.url ?? "/"), request, response };
    const route = findRoute(exchange);
    if (route === null) return unknownPath(exchange.path);
    const { method = "" } = request;
    if (method !== "GET" && method !== "HEAD" && method !== "OPTIONS") return notAllowed(method);
    return route(exchange);
  }

  function findRoute({ path, request }: Exchange): ((exchange: Exchange) => Answer | null) | null {
    switch (path) {
      case "/status":
        return endpoints.alive;
      case READY:
        return ready;
      case "/status/config":
        return detail(endpoints.config);
      case "/status/workers":
        return detail(endpoints.workers);
      case "/status/upstreams":
        return detail(endpoints.upstreams);
      case "/status/fleet":
        return detail(fleet);
      case "/status/events":
        return detail(events);
      case "/":
        // Who does not ask for a page may have mistyped a probe.
        return (request.headers.accept ?? "").includes("text/html") ? detail(page) : null;
      default:
        if (path.startsWith(PAGE_FILES)) return detail(page);
        return path.startsWith(`${READY}/`) ? detail(check) : null;
    }
  }

  /** Why a request gets no details, or `null`. */
  function refusalOf({ request }: Exchange): Answer | null {
    const { remoteAddress = "", remoteFamily } = request.socket;
    const family = remoteFamily === "IPv6" ? "ipv6" : "ipv4";
    if (remoteAddress === "" || !allowed.check(remoteAddress, family)) return forbidden;
    return isKnownHost(request.headers.host) ? null : wrongHost;
  }

  /** Strangers get 403. */
  function detail(answer: (exchange: Exchange) => Answer | null): (exchange: Exchange) => Answer | null {
    return (exchange) => refusalOf(exchange) ?? answer(exchange);
  }

  function ready(exchange: Exchange): Answer | null {
    const { query } = exchange;
    if (query === noQuery) return endpoints.ready();
    // A plain 200 would tell a stranger that the revision has been applied.
    if (query.has("revision")) return refusalOf(exchange) ?? wait(exchange);
    const detailed = query.has("verbose") || query.has("exclude");
    return detailed && refusalOf(exchange) === null ? endpoints.explain(query) : endpoints.ready();
  }

  function page({ path }: Exchange): Answer {
    return pageAnswer(path) ?? unknownPath(path);
  }

  function check({ path, query }: Exchange): Answer {
    return endpoints.check(decodeName(path.slice(READY.length + 1)), query);
  }

  function fleet(exchange: Exchange): Answer | null {
    return exchange.query.has("revision") ? wait(exchange, true) : endpoints.fleet();
  }

  function wait({ query, request, response }: Exchange, fleet = false): null {
    const parsed = parseBarrier(query, fleet);
    if (typeof parsed === "string") {
      send(response, errorAnswer(400, parsed));
      return null;
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const release = connections.hold(request.socket);
    request.socket.setTimeout(0);
    void barrier.wait(parsed, gone.signal).then((answer) => {
      release();
      if (answer === null) return;
      request.socket.setTimeout(IDLE_MS);
      send(response, answer);
    });
    return null;
  }

  function events({ query, request, response }: Exchange): Answer | null {
    const after = query.get("after") ?? "0";
    if (!/^\d{1,15}$/.test(after)) return errorAnswer(400, `after: expected the id of an event, got ${quote(after)}`);
    if (!(request.headers.accept ?? "").includes("text/event-stream")) return endpoints.events(Number(after));
    const last = String(request.headers["last-event-id"] ?? "");
    const from = /^\d{1,15}$/.test(last) ? Number(last) : Number(after);
    const content = { journal: deps.journal, from, live: isAsked(query, "state") ? live : null };
    const end = streamEvents(content, request, response);
    if (end === null) return tooManyStreams;
    const release = connections.hold(request.socket);
    streams.add(end);
    response.once("close", () => {
      release();
      streams.delete(end);
    });
    return null;
  }

  server.on("request", handle);
  // No listener would make Node ask for the body with 100 Continue.
  server.on("checkContinue", handle);
  server.on("checkExpectation", handle);
  server.on("connect", (_request, socket) => socket.end(rawAnswer(notAllowed("CONNECT"))));
  server.on("clientError", (error: ParserError, socket: Socket) => {
    // Where an answer is being written, another one would become a part of it.
    if (!socket.writable || answering.has(socket)) socket.destroy();
    else socket.end(rawAnswer(refusal(error)), () => socket.destroy());
  });

  return {
    listen: (address) =>
      new Promise((resolve, reject) => {
        server.on("error", reject);
        server.listen({ host: address.ip, port: address.port }, () => {
          const bound = server.address() as AddressInfo;
          resolve({ ip: bound.address, port: bound.port });
        });
      }),
    allow(settings) {
      allowed = buildAllowList(settings.allowDetails);
      isKnownHost = buildHostCheck(settings.allowHosts);
    },
    close: () =>
      new Promise((resolve) => {
        const force = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
        server.close(() => {
          clearTimeout(force);
          resolve();
        });
        barrier.close();
        live.close();
        for (const end of streams) end();
        server.closeIdleConnections();
      }),
  };
}

function notAllowed(method: string): Answer {
  return errorAnswer(405, `method ${method} is not allowed, this API is read-only`, {}, [
    "Allow",
    "GET, HEAD, OPTIONS",
  ]);
}

/** What Node's parser refused, with the bytes at hand. */
interface ParserError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

function refusal({ code, rawPacket }: ParserError): Answer {
  if (code === "HPE_HEADER_OVERFLOW") return errorAnswer(431, `the headers exceed ${MAX_HEADER_BYTES} bytes`);
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return errorAnswer(408, "the request did not come in time");
  // Node's parser takes the methods it knows; any other token is a method all the same (RFC 9110, 9.1).
  const method = code === "HPE_INVALID_METHOD" ? unknownMethod(rawPacket) : null;
  return method === null ? errorAnswer(400, "not a valid HTTP/1.1 request") : notAllowed(method);
}

function unknownMethod(packet: Buffer | undefined): string | null {
  const line = packet?.toString("latin1", 0, 300) ?? "";
  return /^([!#$%&'*+.^_`|~\w-]{1,50}) [^ ]+ HTTP\/1\.[01]\r\n/.exec(line)?.[1] ?? null;
}

/** Path without one trailing slash, and the query; absolute targets (RFC 9112, 3.2.2) lose their origin. */
function splitTarget(target: string): { path: string; query: URLSearchParams } {
  const local = target.replace(/^https?:\/\/[^/?]*/i, "");
  const mark = local.indexOf("?");
  const path = mark < 0 ? local : local.slice(0, mark);
  return {
    path: path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path,
    query: mark < 0 ? noQuery : new URLSearchParams(local.slice(mark + 1)),
  };
}

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

function buildAllowList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [ip = "", prefix] = range.split("/");
    const family = ip.includes(":") ? "ipv6" : "ipv4";
    list.addSubnet(ip, prefix === undefined ? (family === "ipv6" ? 128 : 32) : Number(prefix), family);
  }
  return list;
}

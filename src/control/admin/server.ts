import { readFileSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { compileAddresses } from "../../lib/cidr.ts";
import { reasonOf, TurnpikeError } from "../../lib/errors.ts";
import { giveWay } from "../../lib/give-way.ts";
import { loadHttps } from "../../lib/lazy-https.ts";
import { createServer as createHttpServer, STATUS_CODES } from "../../lib/node-http.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Address, AdminSettings } from "../../settings/settings.ts";
import type { KeyCheck } from "./admin-keys.ts";
import { page, refuse, unknownMethod } from "./answers.ts";
import type { AdminAnswer, AdminHandler } from "./exchange.ts";
import { readBody } from "./request-body.ts";
import { parseTarget, type AdminTarget } from "./request-target.ts";
import { WriteGate } from "./write-gate.ts";

/** Limits on what a client may cost. */
const MAX_HEADER_BYTES = 32 * 1024;
const MAX_CONNECTIONS = 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 60_000;
const CLOSE_GRACE_MS = 250;

/** What the server is made with. */
export interface AdminServerOptions {
  readonly settings: Pick<AdminSettings, "allow" | "cors" | "tls">;
  readonly checkKey: KeyCheck;
  readonly handler: AdminHandler;
  /** Bytes that the body of a request may have, by its path. */
  readonly bodyLimit: (path: readonly string[]) => number;
  /** The `Server` header of answers. */
  readonly serverName: string;
  readonly log: Logger;
}

/** The server of the Admin API. */
export interface AdminServer {
  /** Resolves with the address bound; rejects with Node's error (`EADDRINUSE`, …). */
  listen(address: Address): Promise<Address>;
  /** Lets requests that are being answered end, for a moment, and closes every connection. */
  close(): Promise<void>;
}

const routed = new Set(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]);

const corsHeaders = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Credentials": "true",
  "Access-Control-Expose-Headers": "*",
  "Access-Control-Max-Age": "3600",
};

const preflight: AdminAnswer = {
  status: 200,
  body: null,
  headers: {
    "Content-Type": "text/plain; charset=utf-8",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "POST, GET, PUT, OPTIONS, DELETE, PATCH",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "3600",
  },
};

/**
 * Creates the server. A request is judged in this order: the peer's address, the
 * path, the key, the size of the body; what is left goes to the handler, writes
 * through a gate that many of them pass together.
 * Throws `SETTINGS_INVALID` where the files of `https_admin` cannot be used.
 */
export function createAdminServer(options: AdminServerOptions): AdminServer {
  const { settings, checkKey, handler, bodyLimit, serverName, log } = options;
  const allowed = settings.allow === null ? null : compileAddresses(settings.allow);
  const server = createServer(settings.tls);
  const gate = new WriteGate();

  function mayConnect({ remoteAddress = "" }: Socket): boolean {
    if (allowed === null) return true;
    // A socket that takes both families shows IPv4 peers as mapped addresses.
    return allowed.matches(remoteAddress.replace(/^::ffff:(?=\d+\.)/i, ""));
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    giveWay();
    const target = parseTarget(request.url ?? "/");
    const cors = settings.cors && target?.path != null;
    let answer: AdminAnswer;
    try {
      answer = await answerTo(request, response, target);
    } catch (error) {
      // Nobody is there to be answered, and nothing has gone wrong here.
      if (request.socket.destroyed) return;
      log.error(`admin: ${request.method} ${String(target?.path?.[0])}: ${reasonOf(error)}`);
      answer = refuse(500, "internal error; the error log of this node says more");
    }
    giveWay();
    send(request, response, answer, {
      Server: serverName,
      ...(cors && request.method !== "OPTIONS" ? corsHeaders : {}),
    });
  }

  async function answerTo(
    request: IncomingMessage,
    response: ServerResponse,
    target: AdminTarget | null,
  ): Promise<AdminAnswer> {
    const { method = "", headers } = request;
    if (!mayConnect(request.socket)) return page(403, "this address is not in deployment.admin.allow_admin");
    if (target === null) return page(400, "the path cannot be decoded");
    const { path, query, trailingSlash, encodedSlash } = target;
    const reached = path !== null && (path.length > 0 || !trailingSlash);
    if (method === "OPTIONS") return reached && settings.cors ? preflight : page(405, "OPTIONS is not allowed here");
    if (method === "TRACE") return page(405, "TRACE is not allowed");
    if (!reached) return page(404, "the Admin API is at /apisix/admin");
    const denied = checkKey(method, query, headers);
    if (denied !== null) return denied;
    if (path.length === 0) {
      return method === "HEAD" ? { status: 200, body: null } : page(404, "expected /apisix/admin/<kind>");
    }
    if (!routed.has(method)) return unknownMethod(method);
    const pass = async (): Promise<AdminAnswer> => {
      giveWay();
      const body = await readBody(request, response, bodyLimit(path));
      if (typeof body !== "string") return body;
      giveWay();
      return await handler({ method, path, query, headers, body, encodedSlash, trailingSlash });
    };
    return await (method === "GET" || method === "HEAD" ? pass() : throughGate(pass));
  }

  async function throughGate<T>(write: () => Promise<T>): Promise<T> {
    const turn = gate.enter();
    if (turn !== null) await turn;
    try {
      return await write();
    } finally {
      // Once the answer is out.
      setImmediate(() => gate.leave());
    }
  }

  server.on("request", (request, response) => void handle(request, response));
  // `readBody` says 100 Continue once it wants the body.
  server.on("checkContinue", (request, response) => void handle(request, response));
  server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    send(request, response, refuse(417, "the Expect header asks for something unknown"), {});
  });
  server.on("connect", (_request, socket) => socket.end(rawAnswer(405)));
  server.on("clientError", (error: ParserError, socket: Socket) => {
    if (!socket.writable) return void socket.destroy();
    // Behind an answer to HEAD a client would take its body for another answer.
    const withBody = error.rawPacket?.toString("latin1", 0, 5) !== "HEAD ";
    socket.end(rawAnswer(refusalOf(error), withBody), () => socket.destroy());
  });

  return {
    listen: (address) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: address.ip, port: address.port }, () => {
          server.off("error", reject);
          server.on("error", (error) => log.error(`admin: ${reasonOf(error)}`));
          const bound = server.address() as AddressInfo;
          resolve({ ip: bound.address, port: bound.port });
        });
      }),
    close: () =>
      new Promise((resolve) => {
        const force = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
        server.close(() => {
          clearTimeout(force);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function createServer(tls: AdminSettings["tls"]): Server {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 1000,
    keepAliveTimeout: KEEP_ALIVE_MS,
    noDelay: true,
  };
  const server = tls === null ? createHttpServer(limits) : loadHttps().createServer({ ...limits, ...tlsOptions(tls) });
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

function tlsOptions({ certFile, keyFile, caFile }: NonNullable<AdminSettings["tls"]>): object {
  const read = (file: string | null, name: string): Buffer => {
    if (file === null) throw new TurnpikeError("SETTINGS_INVALID", `https_admin needs admin_api_mtls.${name}`);
    try {
      return readFileSync(file);
    } catch (error) {
      throw new TurnpikeError("SETTINGS_INVALID", `admin_api_mtls.${name}: ${reasonOf(error)}`, error);
    }
  };
  const mutual =
    caFile === null ? {} : { ca: read(caFile, "admin_ssl_ca_cert"), requestCert: true, rejectUnauthorized: true };
  return {
    cert: read(certFile, "admin_ssl_cert"),
    key: read(keyFile, "admin_ssl_cert_key"),
    minVersion: "TLSv1.2",
    ...mutual,
  };
}

/** `common`: headers that answers have beside their own. */
function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: AdminAnswer,
  common: Readonly<Record<string, string>>,
): void {
  if (response.headersSent || response.destroyed) return;
  const { body } = answer;
  const text = body === null ? "" : typeof body === "string" ? body : `${JSON.stringify(body)}\n`;
  // What is left of a body that nobody reads must not be taken for the next request.
  if (!request.complete) response.shouldKeepAlive = false;
  response.writeHead(answer.status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
    ...common,
    ...answer.headers,
  });
  // Node leaves the body of an answer to HEAD out by itself.
  response.end(text);
}

/** What Node's parser refused, with the bytes at hand. */
interface ParserError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

function refusalOf({ code, rawPacket }: ParserError): number {
  if (code === "HPE_HEADER_OVERFLOW") return 431;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return 408;
  // Node's parser takes the methods it knows; another token is an unknown method all the same (RFC 9110, 9.1).
  const line = rawPacket?.toString("latin1", 0, 300) ?? "";
  return code === "HPE_INVALID_METHOD" && /^[!#$%&'*+.^_`|~\w-]{1,50} \S+ HTTP\/1\.[01]\r\n/.test(line) ? 404 : 400;
}

function rawAnswer(status: number, withBody = true): string {
  const { body, headers = {} } = page(status, "the request cannot be read");
  const lines = Object.entries({ ...headers, "Content-Length": String(body).length, Connection: "close" });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${withBody ? String(body) : ""}`;
}

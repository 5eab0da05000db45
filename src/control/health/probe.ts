import type { IncomingMessage, RequestOptions } from "node:http";
import type { RequestOptions as HttpsOptions } from "node:https";
import { connect, isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { monotonicMs } from "../../lib/clock.ts";
import { hostName } from "../../lib/host-name.ts";
import { loadHttps } from "../../lib/lazy-https.ts";
import { loadTls } from "../../lib/lazy-tls.ts";
import { request as httpRequest } from "../../lib/node-http.ts";
import type { ActiveCheck } from "../../schema/health-check.ts";
import type { NodeTls } from "../../upstream/node-tls.ts";
import { eventOf, type HealthEvent, type Judgement } from "../../upstream/health.ts";

/** Bytes that the head of an answer may have: as many as `proxy_buffer_size` can allow answers to requests. */
const MAX_HEAD = 65_536;

/** Where a probe goes. */
export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  /** The node's name as it is configured, for Host and TLS. */
  readonly name: string;
  /** The Host that requests to it have whatever the node (`upstream_host`); `null`: there is none. */
  readonly hostHeader: string | null;
  /** How it is spoken to over TLS. */
  readonly tls: NodeTls;
}

/** Sends one probe; `null`: its answer says nothing. Never rejects. */
export async function probe(
  target: ProbeTarget,
  check: ActiveCheck,
  judgement: Judgement,
): Promise<HealthEvent | null> {
  const aimed = { ...target, port: check.port ?? target.port };
  let outcome: number | "tcp" | "timeout";
  try {
    if (check.type === "tcp") return await probeTcp(aimed, check);
    outcome = await probeHttp(aimed, check);
  } catch {
    // What cannot even be sent, as with a port that no node named.
    return "tcp";
  }
  return typeof outcome === "number" ? eventOf(outcome, judgement) : outcome;
}

/** A timeout of 0 or less would fail every probe: it means the default there. So would one beyond Node's timers. */
function timeoutMs({ timeout }: ActiveCheck): number {
  return timeout > 0 ? Math.min(Math.ceil(timeout * 1_000), 2 ** 31 - 1) : 1_000;
}

/** More than that late, and this thread did not get to run. */
const LATE_MS = 20;

/**
 * Calls `expired` after the time that a probe is given; the result stops it. Where this thread
 * was kept from running meanwhile, the node gets the time once more: its answer may be there.
 */
function startTimeout(check: ActiveCheck, expired: () => void): () => void {
  const ms = timeoutMs(check);
  const began = monotonicMs();
  let timer = setTimeout(() => {
    if (monotonicMs() - began < ms + LATE_MS) expired();
    else timer = setTimeout(expired, ms);
  }, ms);
  return () => clearTimeout(timer);
}

function probeTcp({ host, port }: ProbeTarget, check: ActiveCheck): Promise<HealthEvent> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const stop = startTimeout(check, () => done("timeout"));
    const done = (event: HealthEvent): void => {
      stop();
      socket.destroy();
      resolve(event);
    };
    socket.once("connect", () => done("success"));
    socket.once("error", () => done("tcp"));
  });
}

/** The status that was answered, or what went wrong. */
async function probeHttp(target: ProbeTarget, check: ActiveCheck): Promise<number | "tcp" | "timeout"> {
  return await new Promise((resolve) => {
    const secure = check.type === "https";
    const outgoing = secure
      ? loadHttps().request({ ...requestOptions(target, check), ...tlsOptions(target, check) })
      : httpRequest(requestOptions(target, check));
    const stop = startTimeout(check, () => done("timeout"));
    const done = (outcome: number | "tcp" | "timeout"): void => {
      stop();
      resolve(outcome);
      outgoing.destroy();
    };
    // A CONNECT, and a change of protocol, are answered otherwise.
    for (const answered of ["response", "connect", "upgrade"])
      outgoing.once(answered, (response: IncomingMessage) => done(response.statusCode ?? 0));
    outgoing.on("error", () => done("tcp"));
    // Bytes: a text would be sent together with the head, in its own encoding.
    outgoing.end(check.http_req_body === "" ? undefined : Buffer.from(check.http_req_body));
  });
}

function requestOptions(target: ProbeTarget, check: ActiveCheck): RequestOptions {
  const defaultPort = check.type === "https" ? 443 : 80;
  const given = check.host ?? target.hostHeader;
  const name = given ?? (target.name.includes(":") ? `[${target.name}]` : target.name);
  // A line of `req_headers` may name any header, and one more than once.
  const headers = new Map<string, string[]>([
    ["Host", [target.port === defaultPort || given !== null ? name : `${name}:${target.port}`]],
    ["User-Agent", ["Turnpike health check"]],
    ["Accept", ["*/*"]],
    ["Connection", ["close"]],
  ]);
  for (const [field, value] of readHeaders(check.req_headers ?? [])) {
    const known = [...headers.keys()].find((other) => other.toLowerCase() === field.toLowerCase());
    if (known === undefined) headers.set(field, [value]);
    else if (known === "Host" || known === "User-Agent" || known === "Accept") headers.set(known, [value]);
    else if (known !== "Connection") headers.get(known)!.push(value);
  }
  // What the body says of its length is not for others to say.
  for (const field of headers.keys()) if (/^(content-length|transfer-encoding)$/i.test(field)) headers.delete(field);
  if (check.http_req_body !== "") headers.set("Content-Length", [String(Buffer.byteLength(check.http_req_body))]);
  return {
    host: target.host,
    port: target.port,
    method: check.http_method,
    path: check.http_path.startsWith("/") ? encodeTarget(check.http_path) : `/${encodeTarget(check.http_path)}`,
    headers: Object.fromEntries(
      Array.from(headers, ([field, values]) => [field, values.length > 1 ? values : values[0]]),
    ),
    agent: false,
    setHost: false,
    maxHeaderSize: MAX_HEAD,
  };
}

function tlsOptions(target: ProbeTarget, check: ActiveCheck): HttpsOptions & Pick<ConnectionOptions, "secureContext"> {
  const name = nameInTls(check.host ?? target.hostHeader ?? target.name);
  return {
    secureContext: target.tls.context(),
    rejectUnauthorized: target.tls.verify,
    checkServerIdentity: (_, certificate) => loadTls().checkServerIdentity(name, certificate),
    servername: target.tls.sendsName && isIP(name) === 0 ? name : "",
  };
}

/** A host as certificates and the server's name have it: without port, brackets and final dot. */
function nameInTls(host: string): string {
  return isIP(host) === 0 ? hostName(host).replace(/^\[|\]$/g, "") : host;
}

/** `Name: value` lines, in bytes of UTF-8 of one character each; what is none is left out. */
function* readHeaders(lines: readonly string[]): Iterable<readonly [name: string, value: string]> {
  for (const line of lines) {
    const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(
      Buffer.from(line).toString("latin1"),
    );
    if (match !== null) yield [match[1] ?? "", (match[2] ?? "").trim()];
  }
}

/** What cannot stand in a request line is percent-encoded. */
function encodeTarget(path: string): string {
  return path.replaceAll(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character.toWellFormed()));
}

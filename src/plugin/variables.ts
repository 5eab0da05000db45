import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { packedAddress } from "../lib/cidr.ts";
import { isoTime, localTime } from "../lib/log-time.ts";
import { hostName } from "../lib/host-name.ts";
import { compileBodyVariable } from "./body-variables.ts";
import { isStream, type Attempt, type RequestContext } from "./context.ts";
import { parseTemplate } from "./template-parts.ts";
import type { TemplatePart, TemplateSyntax } from "./template-parts.ts";
import { tlsVariables } from "./tls-variables.ts";
import { textOfWire } from "./wire-text.ts";

/**
 * nginx's and APISIX's variables (`$remote_addr`, `$arg_x`, `$upstream_addr`, …).
 * A name is resolved to an accessor once, when the configuration is compiled;
 * a request only calls it. `docs/variables.md` lists them.
 */

/** Reads one variable of a request; `undefined` where it has no value. */
export type VariableAccessor = (ctx: RequestContext) => string | undefined;

/** Text with variables, compiled. A variable without a value renders as nothing. */
export interface Template {
  /** The text itself where it holds no variable. */
  readonly constant: string | null;
  readonly render: (ctx: RequestContext) => string;
}

const HOSTNAME = hostname();
const PID = String(process.pid);

/** Seconds with milliseconds, as nginx prints times: `0.004`. */
function seconds(value: number): string {
  const ms = Math.round(value * 1000);
  const whole = Math.trunc(ms / 1000);
  const rest = ms - whole * 1000;
  return `${whole}.${rest < 10 ? "00" : rest < 100 ? "0" : ""}${rest}`;
}

/** One value per attempt, separated as nginx does; `undefined` where no node was asked. */
function perAttempt(value: (attempt: Attempt) => string): VariableAccessor {
  return (ctx) => {
    const { attempts } = ctx;
    const first = attempts[0];
    if (first === undefined) return undefined;
    let text = value(first);
    for (let i = 1; i < attempts.length; i++) text += `, ${value(attempts[i] as Attempt)}`;
    return text;
  };
}

/** A duration of an attempt; `-` where the attempt did not get that far. */
const duration = (value: number): string => (value < 0 ? "-" : seconds(value));

/** nginx separates an address from its port by the last colon; brackets stay out of the address. */
function lastNode(ctx: RequestContext): { ip: string; port: string } | undefined {
  const address = ctx.attempts.at(-1)?.address;
  if (address === undefined) return undefined;
  const colon = address.lastIndexOf(":");
  const ip = address.slice(0, colon);
  return { ip: ip.startsWith("[") ? ip.slice(1, -1) : ip, port: address.slice(colon + 1) };
}

/** Bytes of the body, for each attempt; those before the last brought none. */
function responseLength(ctx: RequestContext): string | undefined {
  const { length } = ctx.attempts;
  return length === 0 ? undefined : `${"0, ".repeat(length - 1)}${ctx.nodeBodyBytes}`;
}

/** The last node's host as the upstream has it, before names are resolved; without brackets. */
function unresolvedHost(ctx: RequestContext): string | undefined {
  const named = ctx.attempts.at(-1)?.named;
  return named === undefined ? undefined : hostName(named).replace(/^\[|\]$/g, "");
}

/** User name of Basic credentials (RFC 7617 section 2); the password never leaves here. */
function basicUser(ctx: RequestContext): string | undefined {
  const credentials = ctx.header("authorization");
  if (credentials === undefined || !/^basic /i.test(credentials)) return undefined;
  const decoded = Buffer.from(credentials.slice(6).trim(), "base64").toString("latin1");
  const colon = decoded.indexOf(":");
  return colon > 0 ? decoded.slice(0, colon) : undefined;
}

/** 32 hexadecimal digits, the same for every use within the request. */
function requestId(ctx: RequestContext): string {
  const known = ctx.values.get("request_id");
  if (typeof known === "string") return known;
  const id = randomBytes(16).toString("hex");
  ctx.values.set("request_id", id);
  return id;
}

/** The id of the plugin `request-id`, else nginx's own. */
function apisixRequestId(ctx: RequestContext): string {
  const id = ctx.values.get("apisix_request_id");
  return typeof id === "string" ? id : requestId(ctx);
}

function forwardedFor(ctx: RequestContext): string {
  const before = ctx.header("x-forwarded-for");
  return before ? `${before}, ${ctx.remoteAddr}` : ctx.remoteAddr;
}

/** nginx keeps `""` and "no value" apart; a log shows the latter as `-`. */
const orNone = (value: string): string | undefined => (value === "" ? undefined : value);

/** How requests of HTTP/2 come; empty for all others. */
function http2(ctx: RequestContext): string {
  if (ctx.protocol !== "HTTP/2.0") return "";
  return ctx.scheme === "https" ? "h2" : "h2c";
}

const requestLine: VariableAccessor = (ctx) => `${ctx.method} ${ctx.target} ${ctx.protocol}`;
const status: VariableAccessor = (ctx) => (ctx.status === 0 ? "000" : String(ctx.status));
const path: VariableAccessor = (ctx) => ctx.uri;
const target: VariableAccessor = (ctx) => ctx.target;
const query: VariableAccessor = (ctx) => orNone(ctx.query);
const method: VariableAccessor = (ctx) => ctx.method;
const responseTime = perAttempt((attempt) => duration(attempt.responseTime));

const fixed: Readonly<Record<string, VariableAccessor>> = {
  remote_addr: (ctx) => ctx.remoteAddr,
  binary_remote_addr: (ctx) => packedAddress(ctx.remoteAddr),
  remote_port: (ctx) => String(ctx.remotePort),
  remote_user: basicUser,
  realip_remote_addr: (ctx) => ctx.realipRemoteAddr,
  realip_remote_port: (ctx) => String(ctx.realipRemotePort),
  proxy_protocol_addr: (ctx) => ctx.proxied?.source.ip,
  proxy_protocol_port: ({ proxied }) => (proxied === null ? undefined : String(proxied.source.port)),
  proxy_protocol_server_addr: (ctx) => ctx.proxied?.destination.ip,
  proxy_protocol_server_port: ({ proxied }) => (proxied === null ? undefined : String(proxied.destination.port)),
  server_addr: (ctx) => ctx.serverAddr,
  server_port: (ctx) => String(ctx.serverPort),
  server_name: () => "_",
  server_protocol: (ctx) => ctx.protocol,
  hostname: () => HOSTNAME,
  pid: () => PID,
  connection: (ctx) => String(ctx.connectionId),
  connection_requests: (ctx) => String(ctx.connectionRequests),
  connection_time: (ctx) => seconds(ctx.connectionTime),
  http2,

  host: (ctx) => ctx.host,
  scheme: (ctx) => ctx.scheme,
  https: (ctx) => (ctx.scheme === "https" ? "on" : ""),
  request: requestLine,
  request_line: requestLine,
  request_method: method,
  method,
  request_uri: target,
  real_request_uri: target,
  uri: path,
  document_uri: path,
  args: query,
  query_string: query,
  is_args: (ctx) => (ctx.query === "" ? "" : "?"),
  content_type: (ctx) => ctx.header("content-type"),
  content_length: (ctx) => ctx.header("content-length"),
  request_length: (ctx) => String(ctx.requestLength),
  // What of it was kept: somebody must have asked for that before it passed.
  request_body: (ctx) => ctx.capturedBody?.toString("latin1"),
  request_time: (ctx) => seconds(ctx.requestTime),
  request_id: requestId,
  apisix_request_id: apisixRequestId,
  request_type: () => "traditional_http",
  // Of requests to models; what they are for all others.
  request_llm_model: () => "",
  llm_model: () => "",
  llm_time_to_first_token: () => "0",
  llm_prompt_tokens: () => "0",
  llm_completion_tokens: () => "0",
  proxy_add_x_forwarded_for: forwardedFor,

  status,
  request_completion: (ctx) => (ctx.completed ? "OK" : ""),
  bytes_sent: (ctx) => String(ctx.bytesSent),
  body_bytes_sent: (ctx) => String(ctx.bodyBytesSent),
  msec: () => seconds(Date.now() / 1000),
  time_local: () => localTime(Date.now()),
  time_iso8601: () => isoTime(Date.now()),

  upstream_addr: perAttempt((attempt) => attempt.address),
  upstream_status: perAttempt(({ status }) => (status === 0 ? "-" : String(status))),
  upstream_connect_time: perAttempt((attempt) => duration(attempt.connectTime)),
  upstream_header_time: perAttempt((attempt) => duration(attempt.headerTime)),
  upstream_response_time: responseTime,
  apisix_upstream_response_time: responseTime,
  upstream_response_length: responseLength,
  upstream_unresolved_host: unresolvedHost,
  upstream_scheme: (ctx) => ctx.attempts.at(-1)?.scheme ?? (isStream(ctx) ? "" : "http"),
  upstream_host: (ctx) => ctx.attempts.at(-1)?.host ?? ctx.upstream.host ?? ctx.header("host"),
  // APISIX sets it only where a plugin has rewritten the target.
  upstream_uri: (ctx) => (ctx.upstream.target === ctx.target ? "" : ctx.upstream.target),
  balancer_ip: (ctx) => lastNode(ctx)?.ip,
  balancer_port: (ctx) => lastNode(ctx)?.port,

  ...tlsVariables,

  route_id: (ctx) => orNone(ctx.route.id),
  route_name: (ctx) => orNone(ctx.route.name),
  service_id: (ctx) => orNone(ctx.route.serviceId),
  service_name: (ctx) => orNone(ctx.route.serviceName),
  consumer_name: (ctx) => ctx.consumer?.username,
  consumer_group_id: (ctx) => ctx.consumer?.groupId ?? undefined,
};

const families: readonly (readonly [prefix: string, compile: (rest: string) => VariableAccessor])[] = [
  ["http_", (rest) => headerAccessor((ctx, name) => ctx.header(name), rest)],
  ["sent_http_", (rest) => headerAccessor((ctx, name) => ctx.responseHeader(name), rest)],
  ["upstream_cookie_", (rest) => (ctx) => ctx.nodeCookie(rest)],
  ["upstream_http_", (rest) => headerAccessor((ctx, name) => ctx.nodeHeader(name), rest)],
  ["arg_", (rest) => (ctx) => ctx.argument(rest)],
  ["cookie_", (rest) => (ctx) => ctx.cookie(rest)],
];

/** `x_name` stands for the header `x-name`, and for `x_name` where it is sent so. */
function headerAccessor(
  read: (ctx: RequestContext, name: string) => string | undefined,
  rest: string,
): VariableAccessor {
  const underscored = rest.toLowerCase().replaceAll("-", "_");
  const name = underscored.replaceAll("_", "-");
  if (name === underscored) return (ctx) => read(ctx, name);
  return (ctx) => read(ctx, name) ?? read(ctx, underscored);
}

/**
 * The accessor of a variable. A name that is not built in reads what a plugin left
 * in `ctx.values` under that name, and is `undefined` otherwise.
 */
export function compileVariable(name: string): VariableAccessor {
  const known = Object.hasOwn(fixed, name) ? fixed[name] : undefined;
  if (known !== undefined) return known;
  for (const [prefix, compile] of families) {
    if (name.startsWith(prefix) && name.length > prefix.length) return compile(name.slice(prefix.length));
  }
  const inBody = compileBodyVariable(name);
  if (inBody !== null) {
    return (ctx) => {
      const value = inBody(ctx);
      return typeof value === "string" || value === undefined ? value : JSON.stringify(value);
    };
  }
  return (ctx) => scalarText(ctx.values.get(name));
}

/**
 * The accessor of a variable that something is decided by. `request_uri` is the path as it is
 * matched and the query as it came: no escape and no doubled slash gets around a condition.
 */
export function compileJudged(name: string): VariableAccessor {
  return name === "request_uri" ? matchedTarget : compileTextVariable(name);
}

const matchedTarget: VariableAccessor = ({ uri, query }) => (query === "" ? uri : `${uri}?${textOfWire(query)}`);

/** Numbers and booleans as the texts that they are; `undefined` for everything else that is no text. */
export function scalarText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

/** The same as text (Unicode): bytes of the wire are read as UTF-8. For bodies, JSON and comparisons. */
export function compileTextVariable(name: string): VariableAccessor {
  const read = compileVariable(name);
  if (isTextVariable(name)) return read;
  return (ctx) => {
    const value = read(ctx);
    return value === undefined ? undefined : textOfWire(value);
  };
}

/**
 * Compiles text with `$name` and `${name}`. `apisix` (plugins): names may hold dots,
 * `${name ?? default}` and `\$` are known; `nginx` (log formats): neither. Values come as they
 * are, texts and bytes of the wire alike: for keys, which are only compared.
 */
export function compileTemplate(text: string, syntax: TemplateSyntax = "apisix"): Template {
  return compileParts(parseTemplate(text, syntax), compileVariable);
}

/** The same as `compileTemplate` for plugins, as text (Unicode) throughout: for bodies. */
export function compileText(text: string): Template {
  return compileParts(parseTemplate(text, "apisix"), compileTextVariable);
}

function compileParts(parts: readonly TemplatePart[], compile: (name: string) => VariableAccessor): Template {
  const pieces = parts.map(({ name, text }) => {
    if (name === null) return text;
    const read = compile(name);
    return (ctx: RequestContext): string => read(ctx) ?? text;
  });
  const only = pieces[0];
  if (only === undefined) return { constant: "", render: () => "" };
  if (pieces.length === 1) {
    return typeof only === "string" ? { constant: only, render: () => only } : { constant: null, render: only };
  }
  const render = (ctx: RequestContext): string => {
    let rendered = "";
    for (const piece of pieces) rendered += typeof piece === "string" ? piece : piece(ctx);
    return rendered;
  };
  return { constant: null, render };
}

const wire =
  /^(?:http_|sent_http_|upstream_http_|upstream_cookie_|cookie_|(?:binary_remote_addr|request|request_body|request_line|request_uri|real_request_uri|args|query_string|host|remote_user|content_type|upstream_host|upstream_uri|proxy_add_x_forwarded_for)$)/;

/**
 * Whether a variable holds text (Unicode: decoded or configured) instead of bytes of
 * the wire, one character each. Text goes out as UTF-8.
 */
export function isTextVariable(name: string): boolean {
  return !wire.test(name);
}

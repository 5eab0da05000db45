import { hostname } from "node:os";
import { version } from "../lib/version.ts";
import { decodeQuery } from "../plugin/query.ts";
import { isStream, type RequestContext } from "../plugin/context.ts";
import { textOfWire } from "../plugin/wire-text.ts";
import type { BodyConf, LogBodies } from "./log-bodies.ts";
import { compileLogBodies } from "./log-bodies.ts";
import { compileLogFormat, logObject, namesVariable, type LogObject } from "./log-format.ts";

type Format = Readonly<Record<string, unknown>>;

/** What an entry holds. */
export interface FormatConf {
  readonly log_format?: Format;
  readonly log_format_extra?: Format;
}

/** Entries of a log plugin. */
export interface LogEntries {
  readonly handlers: LogBodies["handlers"];
  build(ctx: RequestContext): LogObject;
}

/**
 * Entries as the plugin's configuration wants them, or else its metadata: `log_format`, or the
 * full entry, over which `log_format_extra` is laid.
 */
export function compileLogEntries(conf: FormatConf & BodyConf, metadata: FormatConf | undefined): LogEntries {
  const own = conf.log_format ?? nonEmpty(metadata?.log_format);
  const more = own ?? conf.log_format_extra ?? metadata?.log_format_extra ?? {};
  const bodies = compileLogBodies(conf, {
    request: namesVariable(more, "request_body"),
    response: namesVariable(more, "response_body") || namesVariable(more, "resp_body"),
  });
  const write = compileLogFormat(more, bodies);
  return {
    handlers: bodies.handlers,
    build(ctx) {
      const entry = own === undefined ? (isStream(ctx) ? streamEntry(ctx) : fullEntry(ctx, bodies)) : logObject();
      write(ctx, entry);
      if (own !== undefined) nameRoute(ctx, entry);
      return entry;
    },
  };
}

const nonEmpty = (format: Format | undefined): Format | undefined =>
  format === undefined || Object.keys(format).length === 0 ? undefined : format;

/** Every entry tells its route and service. */
function nameRoute(ctx: RequestContext, entry: LogObject): void {
  const { id, serviceId } = ctx.route;
  if (id !== "") entry.route_id = id;
  if (serviceId !== "") entry.service_id = serviceId;
}

const SERVER = { hostname: hostname(), version };

/** Everything about a request; times in milliseconds, sizes in bytes. */
function fullEntry(ctx: RequestContext, bodies: LogBodies): LogObject {
  const { route, consumer, attempts } = ctx;
  const target = textOfWire(ctx.target);
  const latency = ctx.requestTime * 1_000;
  const upstreamLatency = upstreamMs(ctx);
  return {
    request: {
      url: `${ctx.scheme}://${ctx.host}:${ctx.serverPort}${target}`,
      uri: target,
      method: ctx.method,
      headers: headersOf(ctx.headers()),
      querystring: argumentsOf(ctx.query),
      size: ctx.requestLength,
      body: bodies.request(ctx),
    },
    response: {
      status: ctx.status,
      headers: headersOf(ctx.responseHeaders()),
      size: ctx.bytesSent,
      body: bodies.response(ctx),
    },
    server: SERVER,
    upstream: attempts.length === 0 ? undefined : attempts.map(({ address }) => address).join(", "),
    service_id: route.serviceId,
    route_id: route.id,
    consumer: consumer === null ? undefined : { username: consumer.username, group_id: consumer.groupId ?? undefined },
    client_ip: ctx.remoteAddr,
    start_time: Math.round(ctx.startedAt),
    latency,
    upstream_latency: upstreamLatency,
    apisix_latency: Math.max(0, latency - (upstreamLatency ?? 0)),
  };
}

/** Everything about a TCP or UDP stream, in the same units. */
function streamEntry(ctx: RequestContext): LogObject {
  const { route, attempts } = ctx;
  return {
    stream: {
      protocol: ctx.protocol,
      status: ctx.status,
      bytes_received: ctx.requestLength,
      bytes_sent: ctx.bytesSent,
    },
    server: SERVER,
    upstream: attempts.length === 0 ? undefined : attempts.map(({ address }) => address).join(", "),
    service_id: route.serviceId,
    route_id: route.id,
    client_ip: ctx.remoteAddr,
    server_addr: ctx.serverAddr,
    server_port: ctx.serverPort,
    start_time: Math.round(ctx.startedAt),
    latency: ctx.requestTime * 1_000,
  };
}

/** The time that nodes took, all attempts together. */
function upstreamMs(ctx: RequestContext): number | undefined {
  if (ctx.attempts.length === 0) return undefined;
  return ctx.attempts.reduce((sum, { responseTime }) => sum + Math.max(0, responseTime), 0) * 1_000;
}

/** By lower-case name; a list where there are several. */
function headersOf(headers: readonly (readonly [name: string, value: string])[]): LogObject {
  const object = logObject();
  for (const [name, value] of headers) addTo(object, name.toLowerCase(), textOfWire(value));
  return object;
}

/** Arguments of a query that are looked at. */
const MAX_ARGUMENTS = 100;

/** `true` for an argument without `=`. */
function argumentsOf(query: string): LogObject {
  const object = logObject();
  if (query === "") return object;
  for (const pair of query.split("&", MAX_ARGUMENTS)) {
    const equals = pair.indexOf("=");
    const name = decodeArgument(equals === -1 ? pair : pair.slice(0, equals));
    if (name !== "") addTo(object, name, equals === -1 ? true : decodeArgument(pair.slice(equals + 1)));
  }
  return object;
}

function addTo(object: LogObject, name: string, value: string | true): void {
  const present = object[name];
  if (present === undefined) object[name] = value;
  else if (Array.isArray(present)) present.push(value);
  else object[name] = [present, value];
}

function decodeArgument(text: string): string {
  return textOfWire(decodeQuery(text));
}

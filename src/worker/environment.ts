import type { Engine } from "../compile/plan.ts";
import { compileAddresses } from "../lib/cidr.ts";
import type { TimerWheel } from "../lib/timer-wheel.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { Settings } from "../settings/settings.ts";
import type { CertificateLookup } from "../tls/certificate-index.ts";
import type { UpstreamPools } from "../upstream/pools.ts";
import { compilePathAdjustment, withEncodedSlashes } from "../lib/normalise-path.ts";
import { compileContentTypes, type ContentTypes } from "./http1/answer-form.ts";
import { compileRealIp, type RealIp } from "./real-ip.ts";
import { version } from "../lib/version.ts";

/** Where lines of the access log go. */
export interface AccessLogSink {
  write(ctx: RequestContext): void;
}

/** Where what goes wrong is told. */
export interface LogSink {
  warn(message: string): void;
  error(message: string): void;
}

/** What all connections and requests of one worker share. */
export interface Environment {
  readonly settings: Settings;
  readonly engine: Engine;
  readonly certificates: CertificateLookup;
  readonly pools: UpstreamPools;
  readonly wheel: TimerWheel;
  readonly accessLog: AccessLogSink | null;
  /** Bytes of a request's body that the access log may show; 0: it shows none. */
  readonly loggedBody: number;
  readonly log: LogSink;
  readonly realIp: RealIp;
  /** Whether a peer's X-Forwarded-* are kept. */
  trusts(peer: string): boolean;
  /** Further normalisation of paths that settings ask for; `null`: the path is refused. */
  readonly adjustPath: ((path: string) => string | null) | null;
  /** The path that routes are matched with where it is not the one above; `null`: it always is. */
  readonly routePath: ((target: string, path: string) => string) | null;
  /** Adds the charset that settings ask for. */
  readonly contentTypes: ContentTypes;
  /** Value of the Server header. */
  readonly serverName: string;
  /** The gateway's own header lines of an answer: Server and, where asked for, the revision. */
  answerLines(): string;
  /** Finish what is in flight, keep no connection. */
  draining: boolean;
  /** Requests answered so far. */
  requests: number;
}

const LOGGED_BODY = 65_536;

/** @param revision the applied revision at the time of the call, for `X-Turnpike-Revision`. */
export function createEnvironment(
  parts: Pick<Environment, "settings" | "engine" | "certificates" | "pools" | "wheel" | "accessLog" | "log">,
  slot: number,
  revision: () => number,
): Environment {
  const { settings } = parts;
  const { http } = settings;
  const serverName = settings.serverTokens ? `Turnpike/${version}` : "Turnpike";
  const serverLine = `Server: ${serverName}\r\n`;
  const trusted = http.trustedAddresses === null ? null : compileAddresses(http.trustedAddresses);
  return {
    ...parts,
    loggedBody: /\$(?:request_body\b|\{request_body\})/.test(settings.log.access?.format ?? "") ? LOGGED_BODY : 0,
    realIp: compileRealIp(http),
    trusts: (peer) => trusted !== null && trusted.matches(peer),
    adjustPath: compilePathAdjustment(http.normalizeUriLikeServlet, http.deleteUriTailSlash),
    routePath: settings.matching.encodedSlash ? withEncodedSlashes : null,
    contentTypes: compileContentTypes(http.charset),
    serverName,
    answerLines: settings.showRevision
      ? () => `${serverLine}X-Turnpike-Revision: ${revision()}; worker=${slot}\r\n`
      : () => serverLine,
    draining: false,
    requests: 0,
  };
}

/** The time for Date headers (RFC 9110, section 5.6.7), made once per second. */
let dateSecond = -1;
let dateText = "";
export function httpDate(): string {
  const now = Date.now();
  const second = Math.floor(now / 1_000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(now).toUTCString();
  }
  return dateText;
}

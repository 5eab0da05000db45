import type { X509Certificate } from "node:crypto";

/**
 * What a plugin, a matcher or a log format sees of one request. The data path
 * implements these interfaces; everything is computed on first use, so that a
 * request pays only for what its route asks for.
 */

/** What a body is looked into for; each use has a limit of its own. */
export type BodyUse = "graphql" | "post_arg";

/** A consumer that an authentication plugin has recognised. Immutable: a change makes a new object. */
export interface Consumer {
  readonly username: string;
  readonly groupId: string | null;
  /** `labels.custom_id`. */
  readonly customId: string | null;
  /** The credential that was used; `null` for a plugin configured on the consumer itself. */
  readonly credentialId: string | null;
  /** The configuration of the authentication plugin on the consumer or credential. */
  readonly authConf: Readonly<Record<string, unknown>>;
  /** Plugins that the consumer (over its group) adds to a route, without authentication plugins. */
  readonly plugins: Readonly<Record<string, unknown>>;
}

/** Names of what matched, for variables and logs. */
export interface RouteInfo {
  /** `""` where no route matched. */
  readonly id: string;
  readonly name: string;
  readonly serviceId: string;
  readonly serviceName: string;
  /** The route's paths and hosts as they are written; absent where no route matched. */
  readonly patterns?: RoutePatterns;
}

/** Which of its paths and hosts a route was matched by. */
export interface RoutePatterns {
  readonly uris: readonly string[];
  /** Empty: every host. */
  readonly hosts: readonly string[];
  /** Index in `uris` of the one that a path is matched by. */
  uriOf(path: string): number;
  /** Index in `hosts`; 0 where there are none. */
  hostOf(host: string): number;
}

/** An upstream that a plugin may choose; what it is made of is the data path's matter. */
export interface UpstreamChoice {
  /** Names the resource that holds it. */
  readonly key: string;
}

/** One end of a TCP connection. */
export interface End {
  readonly ip: string;
  readonly port: number;
}

/** What a PROXY header says of a connection, whether or not its sender is believed. */
export interface ProxiedEnds {
  /** The client. */
  readonly source: End;
  /** Where the client connected to. */
  readonly destination: End;
}

/** What TLS tells of the client's connection; the names are nginx's. */
export interface TlsInfo {
  /** The name that the client asked for; `""` without one. */
  readonly serverName: string;
  /** `TLSv1.3`. */
  readonly protocol: string;
  readonly cipher: string;
  /** What ALPN chose (`h2`); `""` where nothing was. */
  readonly alpn: string;
  /** Whether a session was resumed. */
  readonly reused: boolean;
  /** `NONE`, `SUCCESS` or `FAILED:<reason>`. */
  readonly clientVerify: string;
  /** The certificate that the client has shown, whatever it is worth; `undefined` without one. */
  clientCertificate(): X509Certificate | undefined;
}

/** A request on its way through the phases. */
export interface RequestContext {
  readonly method: string;
  /** The request target byte for byte as received (latin1), in origin form. */
  readonly target: string;
  /** The path, percent-decoded once and normalised. */
  readonly uri: string;
  /** `uri`, or with the setting `match_uri_encoded_slash` the path that keeps its `%2F`: what routes are matched with. */
  readonly routePath: string;
  /** The query without `?`, as received; `""` without one. */
  readonly query: string;
  /** `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`. */
  readonly protocol: string;
  readonly scheme: "http" | "https";
  /** `null`: the client's connection is in clear text. */
  readonly tls: TlsInfo | null;
  /** The Host in lower case without port and final dot; `""` without one. */
  readonly host: string;
  /** The peer, or what `real_ip_header` says of it where the peer is believed. */
  readonly remoteAddr: string;
  readonly remotePort: number;
  /** The peer of the TCP connection. */
  readonly realipRemoteAddr: string;
  readonly realipRemotePort: number;
  /** `null`: no PROXY header has told of addresses. */
  readonly proxied: ProxiedEnds | null;
  readonly serverAddr: string;
  readonly serverPort: number;
  /** Whether what the peer says in `X-Forwarded-*` is believed (`trusted_addresses`). */
  readonly peerTrusted: boolean;
  /** The header by which believed peers tell who the client is, in lower case. */
  readonly realIpHeader: string;
  /** Unix milliseconds (with fractions) at which the first byte of the head was read. */
  readonly startedAt: number;
  /** Requests so far on this connection, this one included. */
  readonly connectionRequests: number;
  /** A number for this connection, unique within the process. */
  readonly connectionId: number;
  /** Seconds since the connection was accepted. */
  readonly connectionTime: number;

  /** A request header by lower-case name; several are joined with `, `; `undefined` without one. */
  header(name: string): string | undefined;
  /** All request headers as received, in order, with their case. */
  headers(): readonly (readonly [name: string, value: string])[];
  /** The first query argument of that name, decoded; `true` becomes `""`. */
  argument(name: string): string | undefined;
  /** The last cookie of that name. */
  cookie(name: string): string | undefined;

  /**
   * The body, for conditions that look into it. `null`: there is none, it is longer than
   * this use allows, or it has not been read yet; then asking makes the gateway read
   * it and match again.
   */
  bodyFor(use: BodyUse): Buffer | null;

  /**
   * Reads the whole body, for plugins in `rewrite` and `access`; it goes to the node all the
   * same. `null`: it has more than `limit` bytes. Empty where there is none. Not settled where
   * the client goes away: the request has ended then.
   */
  readBody(limit: number): Promise<Buffer | null>;
  /**
   * Keeps the first `limit` bytes of the request's body as they pass, for `log`; the request does
   * not wait for them. To be called before the request goes to its node.
   */
  captureBody(limit: number): void;
  /** The same of the answer's body as it is sent; to be called in `header_filter`. */
  captureAnswer(limit: number): void;
  /** What `captureBody` and `captureAnswer` kept; `null` where nobody asked for it or nothing passed. */
  readonly capturedBody: Buffer | null;
  readonly capturedAnswer: Buffer | null;

  /** Refuses a body of more bytes with 413, as it comes; 0: the gateway's own limit alone holds. */
  limitBody(bytes: number): void;

  /** From here on the client is this one, in `remoteAddr` and `remotePort`, for nodes and in logs. */
  setRemote(address: string, port: number): void;

  /** What matched; rows of `""` before matching and on 404. */
  readonly route: RouteInfo;
  readonly consumer: Consumer | null;
  /** Called by authentication plugins: sets the consumer and the X-Consumer-* headers sent upstream. */
  authenticate(consumer: Consumer): void;

  /** What will be sent to the node; plugins change it in `rewrite`, `access` and `before_proxy`. */
  readonly upstream: UpstreamRequest;

  /** Values that plugins leave for later phases or other plugins; by name. */
  readonly values: Map<string, unknown>;

  // What is known once an answer exists; read by `log` and log formats.
  /** Status sent downstream; 0 before. */
  readonly status: number;
  readonly bodyBytesSent: number;
  readonly bytesSent: number;
  /** Whether the answer was sent whole. */
  readonly completed: boolean;
  /** Bytes of the request, head included. */
  readonly requestLength: number;
  /** Seconds since `startedAt`. */
  readonly requestTime: number;
  /** One row per attempt, in order; empty when no node was asked. */
  readonly attempts: readonly Attempt[];
  /** A header of the node's answer as it came, by lower-case name. */
  nodeHeader(name: string): string | undefined;
  /** The first cookie of that name, whatever its case, that the node's answer sets. */
  nodeCookie(name: string): string | undefined;
  /** Bytes of the body that the node has answered. */
  readonly nodeBodyBytes: number;
  /** A header of the answer by lower-case name. */
  responseHeader(name: string): string | undefined;
  /** The headers of the answer in order, with their case; all of them in `log`. */
  responseHeaders(): readonly (readonly [name: string, value: string])[];
  /**
   * Takes the trailers of the answer, for a body filter that is called with `last` and puts them
   * elsewhere: they are not sent as trailers then. Empty where there are none.
   */
  takeTrailers(): readonly (readonly [name: string, value: string])[];
}

/** One attempt at one node. */
export interface Attempt {
  /** `ip:port` or `host:port`. */
  readonly address: string;
  /** The node's name or address as the upstream has it, with its port unless that is the scheme's. */
  readonly named: string;
  /** What the node was spoken to in, and the Host that it was sent; empty for streams. */
  readonly scheme: string;
  readonly host: string;
  /** Status that the node answered, or 502/504 for what went wrong; 0: the client left before. */
  readonly status: number;
  /** Seconds until the connection was open, until the head was read, until the end. `-1`: never. */
  readonly connectTime: number;
  readonly headerTime: number;
  readonly responseTime: number;
}

/** Whether it is no request but a TCP or UDP stream, of which everything of HTTP is empty. */
export const isStream = ({ method }: Pick<RequestContext, "method">): boolean => method === "";

/** The request as it goes to the node. Header names keep the case they are given in. */
export interface UpstreamRequest {
  method: string;
  /** Request target in origin form, already percent-encoded. */
  target: string;
  /** The Host header that will be sent; `null` until `pass_host` decides. */
  host: string | null;
  /**
   * Set before the request is sent: it waits for its body, up to 1 MiB of it. Whatever is longer
   * is passed on from there as it comes. Otherwise a body is passed on as it comes at once.
   */
  bufferBody: boolean;
  /** What is sent instead of the body, which must have been read whole; `null`: the client's. */
  body: Uint8Array | null;
  /** Where the request goes instead of the route's upstream; `null`: there. */
  choice: UpstreamChoice | null;
  /** The current value, what the client sent where nothing changed it. Name in lower case. */
  header(name: string): string | undefined;
  /** Replaces every header of that name, or adds it. */
  setHeader(name: string, value: string): void;
  /** Adds one more header of that name. */
  addHeader(name: string, value: string): void;
  removeHeader(name: string): void;
}

/** The head of the answer on its way to the client, in `header_filter`. */
export interface ResponseHead {
  status: number;
  /** False for answers the gateway made itself. */
  readonly fromUpstream: boolean;
  header(name: string): string | undefined;
  /** The headers of the node's answer that are passed on, as they came, but for those that frame it. */
  received(): readonly (readonly [name: string, value: string])[];
  setHeader(name: string, value: string): void;
  addHeader(name: string, value: string): void;
  removeHeader(name: string): void;
  /**
   * Sends these bytes instead of the body; the length is set, Content-Encoding goes. Body filters of
   * plugins that come later see them, those of earlier plugins still see the body itself.
   */
  replaceBody(body: Uint8Array): void;
  /** Declares that body filters change the length: the answer becomes chunked. */
  streamBody(): void;
}

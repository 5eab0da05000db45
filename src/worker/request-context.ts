import { fieldOf, forEachField } from "../lib/header-fields.ts";
import type { Attempt, BodyUse, Consumer, ProxiedEnds, RequestContext, RouteInfo, TlsInfo } from "../plugin/context.ts";
import type { Answer } from "./answer.ts";
import { BodyCapture } from "./body-capture.ts";
import type { RequestHead } from "./http1/request-head.ts";
import type { Peer } from "./peer.ts";
import { OutgoingRequest } from "./outgoing-request.ts";
import type { RealIp } from "./real-ip.ts";

const NO_ROUTE: RouteInfo = { id: "", name: "", serviceId: "", serviceName: "" };

/** Reads bodies before they go to a node. */
export interface BodyReader {
  readBody(limit: number): Promise<Buffer | null>;
  /** What of the body was read already. */
  readonly readSoFar: readonly Buffer[];
}

/**
 * A request as plugins, matchers and log formats see it. Everything that is not in the
 * head's own fields is computed when it is first asked for.
 */
export class HttpRequestContext implements RequestContext {
  readonly head: RequestHead;
  readonly peer: Peer;
  readonly #realIp: RealIp;
  readonly uri: string;
  /** Set before matching where it is not `uri`. */
  routePath: string;
  readonly connectionRequests: number;
  /** `performance.now()` at the first byte of the head. */
  readonly startedTicks: number;
  route: RouteInfo = NO_ROUTE;
  consumer: Consumer | null = null;
  /** Written by the exchange as the answer goes out. */
  status = 0;
  bodyBytesSent = 0;
  bytesSent = 0;
  completed = false;
  requestLength: number;
  attempts: Attempt[] = [];
  nodeBodyBytes = 0;
  answer: Answer | null = null;
  /** `performance.now()` at the end; 0 while the request lasts. */
  endedTicks = 0;
  /** Uses of the body that conditions asked for before it was read. */
  bodyWanted: Set<BodyUse> | null = null;
  /** The body as far as it was read for these uses; `null`: longer than the use allows. */
  bodies: Map<BodyUse, Buffer | null> | null = null;
  /** Reads the body on behalf of plugins; set by the exchange. */
  bodyReader: BodyReader | null = null;
  /** Greatest size of the body that a plugin allows; 0: none has a say. */
  bodyLimit = 0;
  /** What log plugins want to see of the bodies; `null`: nothing. */
  bodyCapture: BodyCapture | null = null;
  answerCapture: BodyCapture | null = null;
  /** Trailers of the answer as lines with CRLF, while its last piece is filtered. */
  trailers = "";
  #remote: { readonly address: string; readonly port: number } | null = null;
  #upstream: OutgoingRequest | null = null;
  #values: Map<string, unknown> | null = null;

  constructor(head: RequestHead, uri: string, peer: Peer, realIp: RealIp, startedTicks: number, number: number) {
    this.head = head;
    this.uri = uri;
    this.routePath = uri;
    this.peer = peer;
    this.#realIp = realIp;
    this.startedTicks = startedTicks;
    this.connectionRequests = number;
    // The empty line is part of the head.
    this.requestLength = head.text.length + 2;
  }

  get method(): string {
    return this.head.method;
  }

  get target(): string {
    return this.head.target;
  }

  get query(): string {
    const { queryAt, target } = this.head;
    return queryAt < 0 ? "" : target.slice(queryAt + 1);
  }

  get protocol(): string {
    if (this.peer.http2) return "HTTP/2.0";
    return this.head.minor === 1 ? "HTTP/1.1" : "HTTP/1.0";
  }

  get scheme(): "http" | "https" {
    return this.peer.scheme;
  }

  get tls(): TlsInfo | null {
    return this.peer.tls;
  }

  get host(): string {
    return this.head.host === null ? "" : this.head.host.name;
  }

  get remoteAddr(): string {
    return this.#client().address;
  }

  get remotePort(): number {
    return this.#client().port;
  }

  get realipRemoteAddr(): string {
    return this.peer.socketAddress;
  }

  get realipRemotePort(): number {
    return this.peer.proxied === null ? this.peer.port : this.peer.proxied.socketPort;
  }

  get proxied(): ProxiedEnds | null {
    return this.peer.proxied;
  }

  get realIpHeader(): string {
    return this.#realIp.header;
  }

  get serverAddr(): string {
    return this.peer.serverAddress;
  }

  get serverPort(): number {
    return this.peer.serverPort;
  }

  get peerTrusted(): boolean {
    return this.peer.trusted;
  }

  get startedAt(): number {
    return performance.timeOrigin + this.startedTicks;
  }

  get connectionId(): number {
    return this.peer.connectionId;
  }

  get connectionTime(): number {
    return (performance.now() - this.peer.acceptedMs) / 1_000;
  }

  get requestTime(): number {
    return ((this.endedTicks === 0 ? performance.now() : this.endedTicks) - this.startedTicks) / 1_000;
  }

  get upstream(): OutgoingRequest {
    return (this.#upstream ??= new OutgoingRequest(this.head));
  }

  /** What plugins made of the request; `null` where none looked at it. */
  get outgoing(): OutgoingRequest | null {
    return this.#upstream;
  }

  get values(): Map<string, unknown> {
    return (this.#values ??= new Map());
  }

  header(name: string): string | undefined {
    // RFC 9112, section 3.2.2: the authority of an absolute-form target counts instead of the field.
    if (name === "host") return this.head.host?.value;
    if (!this.peer.trusted && name.startsWith("x-forwarded-") && name !== "x-forwarded-for") {
      const own = this.#forwarded(name);
      if (own !== null) return own;
    }
    return fieldOf(this.head, name, this.head.underscores);
  }

  /** What the node will be told: whatever a peer that is not trusted says of itself is overwritten. */
  #forwarded(name: string): string | null {
    const { host } = this.head;
    if (name === "x-forwarded-proto") return this.peer.scheme;
    if (name === "x-forwarded-host") return host?.value ?? "";
    if (name !== "x-forwarded-port") return null;
    return host === null || host.port === "" ? String(this.peer.serverPort) : host.port;
  }

  headers(): readonly (readonly [name: string, value: string])[] {
    const list: [string, string][] = [];
    forEachField(this.head.text, this.head.fieldsStart, (name, value) => {
      if (this.head.underscores || !name.includes("_")) list.push([name, value]);
    });
    return list;
  }

  argument(name: string): string | undefined {
    const { query } = this;
    let start = 0;
    while (start < query.length) {
      let end = query.indexOf("&", start);
      if (end < 0) end = query.length;
      const equals = query.indexOf("=", start);
      const nameEnd = equals >= 0 && equals < end ? equals : end;
      if (decodeArgument(query.slice(start, nameEnd)) === name) return decodeArgument(query.slice(nameEnd + 1, end));
      start = end + 1;
    }
    return undefined;
  }

  cookie(name: string): string | undefined {
    let found: string | undefined;
    forEachField(this.head.text, this.head.fieldsStart, (field, value) => {
      if (field.toLowerCase() !== "cookie") return;
      for (const pair of value.split(";")) {
        const equals = pair.indexOf("=");
        if (equals >= 0 && pair.slice(0, equals).trim() === name) found = pair.slice(equals + 1).trim();
      }
    });
    return found;
  }

  bodyFor(use: BodyUse): Buffer | null {
    if (this.head.bodyLength === 0) return null;
    const body = this.bodies?.get(use);
    if (body === undefined) (this.bodyWanted ??= new Set()).add(use);
    return body ?? null;
  }

  readBody(limit: number): Promise<Buffer | null> {
    return this.bodyReader!.readBody(limit);
  }

  limitBody(bytes: number): void {
    this.bodyLimit = bytes;
  }

  captureBody(limit: number): void {
    if (this.head.bodyLength === 0) return;
    if (this.bodyCapture !== null) {
      this.bodyCapture.upTo(limit);
      return;
    }
    const capture = new BodyCapture();
    capture.upTo(limit);
    for (const piece of this.bodyReader?.readSoFar ?? []) capture.add(piece, 0, piece.length);
    this.bodyCapture = capture;
  }

  captureAnswer(limit: number): void {
    (this.answerCapture ??= new BodyCapture()).upTo(limit);
  }

  /** Takes note of bytes of the body that go to the client. */
  sending(buffer: Buffer, from: number, to: number): void {
    this.bodyBytesSent += to - from;
    if (this.answerCapture !== null) this.answerCapture.add(buffer, from, to);
  }

  get capturedBody(): Buffer | null {
    return this.bodyCapture === null ? null : this.bodyCapture.bytes;
  }

  get capturedAnswer(): Buffer | null {
    return this.answerCapture === null ? null : this.answerCapture.bytes;
  }

  setRemote(address: string, port: number): void {
    this.#remote = { address, port };
  }

  authenticate(consumer: Consumer): void {
    this.consumer = consumer;
    const { upstream } = this;
    upstream.setHeader("X-Consumer-Username", consumer.username);
    setOrRemove(upstream, "X-Credential-Identifier", consumer.credentialId);
    setOrRemove(upstream, "X-Consumer-Custom-Id", consumer.customId);
  }

  takeTrailers(): readonly (readonly [name: string, value: string])[] {
    const taken: [string, string][] = [];
    forEachField(this.trailers, 0, (name, value) => taken.push([name, value]));
    this.trailers = "";
    return taken;
  }

  nodeHeader(name: string): string | undefined {
    return this.answer?.nodeHeader(name);
  }

  nodeCookie(name: string): string | undefined {
    return this.answer?.nodeCookie(name);
  }

  responseHeader(name: string): string | undefined {
    return this.answer?.sentHeader(name);
  }

  responseHeaders(): readonly (readonly [name: string, value: string])[] {
    return this.answer?.sent() ?? [];
  }

  #client(): { readonly address: string; readonly port: number } {
    return (this.#remote ??= this.#resolveClient());
  }

  #resolveClient(): { readonly address: string; readonly port: number } {
    const { peer } = this;
    if (!peer.believed) return peer;
    const value = this.#realIp.header === "x-real-ip" ? this.head.realIp : this.header(this.#realIp.header);
    if (value === undefined || value === null) return peer;
    return this.#realIp.resolve(value) ?? peer;
  }
}

function setOrRemove(upstream: OutgoingRequest, name: string, value: string | null): void {
  if (value === null) upstream.removeHeader(name);
  else upstream.setHeader(name, value);
}

function decodeArgument(text: string): string {
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  if (!/[%\u0080-\u00ff]/.test(spaced)) return spaced;
  const bytes = spaced.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

import type { UpstreamChoice, UpstreamRequest } from "../plugin/context.ts";
import { fieldOf, forEachField } from "../lib/header-fields.ts";
import { targetChar } from "../lib/http-grammar.ts";
import { checkField, HeaderList, joinValues, lowerCase } from "./header-list.ts";
import type { RequestHead } from "./http1/request-head.ts";

/** Fields that are never passed on: for one hop, or the gateway's to say. */
const NOT_PASSED_ON = new Set([
  "connection",
  "content-length",
  "expect",
  "forwarded",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
  "x-credential-identifier",
  "x-forwarded-for",
  "x-real-ip",
]);

/** What Connection cannot take away: the gateway writes it itself, or the message needs it. */
const FORWARDED = new Set(["x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"]);

/**
 * The request to the node as plugins see and change it. Headers that are only added are
 * kept apart, so that the client's own need not be copied.
 */
export class OutgoingRequest implements UpstreamRequest {
  readonly #head: RequestHead;
  method: string;
  #target: string;
  #host: string | null = null;
  bufferBody = false;
  body: Uint8Array | null = null;
  choice: UpstreamChoice | null = null;
  #added: HeaderList | null = null;
  #list: HeaderList | null = null;
  /** X-Forwarded-* that a plugin has set in lower case: they are not overwritten. */
  #forwardedSet: Set<string> | null = null;

  constructor(head: RequestHead) {
    this.#head = head;
    this.method = head.method;
    this.#target = head.target;
  }

  get target(): string {
    return this.#target;
  }

  /** Throws where the text could not stand in a request line. */
  set target(value: string) {
    for (let i = 0; i < value.length; i++) {
      if (targetChar[value.charCodeAt(i)] !== 1) throw new Error(`invalid request target ${JSON.stringify(value)}`);
    }
    if (value === "") throw new Error("empty request target");
    this.#target = value;
  }

  get host(): string | null {
    return this.#host;
  }

  set host(value: string | null) {
    if (value !== null) checkField("Host", value);
    this.#host = value;
  }

  header(name: string): string | undefined {
    if (name === "host") return this.#host ?? this.#head.host?.value;
    if (this.#list !== null) return this.#list.get(name);
    const head = this.#head;
    const sent = this.#isForged(name) ? undefined : fieldOf(head, name, head.underscores);
    return this.#added === null ? sent : joinValues(sent, this.#added.get(name));
  }

  setHeader(name: string, value: string): void {
    const lower = lowerCase(name);
    if (lower === "host") {
      this.host = value;
      return;
    }
    const forwarded = FORWARDED.has(lower);
    // Beside lines that are sent as received the gateway writes its own X-Forwarded-*.
    if (forwarded || (this.#list === null && this.#sent(lower))) this.#materialise();
    // Throws where name or value is no field.
    (this.#list ?? (this.#added ??= new HeaderList())).set(name, value);
    if (forwarded) (this.#forwardedSet ??= new Set()).add(lower);
  }

  addHeader(name: string, value: string): void {
    if (FORWARDED.has(lowerCase(name))) this.#materialise();
    (this.#list ?? (this.#added ??= new HeaderList())).add(name, value);
  }

  removeHeader(name: string): void {
    const lower = lowerCase(name);
    this.#added?.remove(lower);
    if (this.#list === null && this.#sent(lower)) this.#materialise();
    this.#list?.remove(lower);
  }

  /** The client's lines may be sent as received. */
  get keepsFields(): boolean {
    return this.#list === null;
  }

  /** Lines that plugins added, while `keepsFields`. */
  addedLines(): string {
    return this.#added === null ? "" : this.#added.lines((name) => neverPlain(name));
  }

  /** X-Forwarded-For as it stands. */
  get forwardedFor(): string | null {
    return this.#list === null && this.#added === null
      ? this.#head.forwardedFor
      : (this.header("x-forwarded-for") ?? null);
  }

  /**
   * Every line that is passed on. `overwrite` gives the gateway's value of an
   * X-Forwarded-Proto, -Host, -Port that a client sent and no plugin has set;
   * `wrote` is told of each of them that is in the lines.
   */
  lines(overwrite: (lower: string) => string | null, wrote: Set<string>): string {
    const list = this.#materialise();
    for (const lower of FORWARDED) {
      if (list.get(lower) === undefined) continue;
      wrote.add(lower);
      if (this.#forwardedSet?.has(lower) === true) continue;
      const value = overwrite(lower);
      if (value !== null) list.set(canonicalName(lower), value);
    }
    return list.lines((name) => neverPlain(name));
  }

  #isForged(lower: string): boolean {
    return lower.startsWith("x-consumer-") || lower === "x-credential-identifier";
  }

  #sent(lower: string): boolean {
    return !this.#isForged(lower) && fieldOf(this.#head, lower, true) !== undefined;
  }

  #materialise(): HeaderList {
    if (this.#list !== null) return this.#list;
    const list = new HeaderList();
    const head = this.#head;
    forEachField(head.text, head.fieldsStart, (name, value) => {
      const lower = lowerCase(name);
      if (this.#isForged(lower) || (!head.underscores && lower.includes("_"))) return;
      if (head.connectionFields !== null && head.connectionFields.includes(lower)) return;
      if (lower === "trailer" && head.bodyLength >= 0) return;
      list.push(name, value);
    });
    this.#added?.forEach((name, value) => list.add(name, value));
    this.#added = null;
    this.#list = list;
    return list;
  }
}

/** Not among the plain lines: written by the gateway, or for one hop. X-Consumer-* of plugins is. */
function neverPlain(lower: string): boolean {
  return NOT_PASSED_ON.has(lower) && lower !== "x-credential-identifier";
}

function canonicalName(lower: string): string {
  if (lower === "x-forwarded-proto") return "X-Forwarded-Proto";
  return lower === "x-forwarded-host" ? "X-Forwarded-Host" : "X-Forwarded-Port";
}

import type { Attempt, ResponseHead } from "../plugin/context.ts";
import type { ResponseText } from "../upstream/response-head.ts";
import { fieldOf, findField, forEachField } from "../lib/header-fields.ts";
import { HeaderList, joinValues, lowerCase } from "./header-list.ts";
import type { ContentTypes, Framing } from "./http1/answer-form.ts";

/** Names whose lines the gateway writes itself. */
const FRAMING = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Names whose lines of the upstream are written apart from the others, or not at all. */
const PLACED = new Set([...FRAMING, "content-type", "date", "server", "trailer"]);

const asIs: ContentTypes = (type) => type;

/**
 * The head of one answer: the upstream's as received, or one made here. Headers that are
 * only added are kept apart; nothing is copied until a plugin changes one that is there.
 */
export class Answer implements ResponseHead {
  readonly #text: ResponseText | null;
  /** Headers that plugins added, while the upstream's own stay as they came. */
  #added: HeaderList | null = null;
  #list: HeaderList | null = null;
  #status: number;
  /** What is sent instead of the body; `null`: the body as it comes. */
  replacement: Uint8Array | null = null;
  /** Place of the plugin that replaced the body. */
  replacedAt = -1;
  /** Place of the plugin whose header filter is running. */
  place = -1;
  /** Body filters change the length. */
  streamed = false;
  /** Bytes of the body where the gateway knows them better than the upstream's head; -1: it does not. */
  ownLength = -1;
  #ownLines = "";
  #framing: Framing | null = null;
  #connection = "";
  #types: ContentTypes = asIs;

  /** @param text the upstream's head; `null` for an answer made by the gateway. */
  constructor(status: number, text: ResponseText | null) {
    this.#status = status;
    this.#text = text;
  }

  get status(): number {
    return this.#status;
  }

  set status(value: number) {
    if (!Number.isInteger(value) || value < 200 || value > 999) throw new Error(`invalid status ${value}`);
    this.#status = value;
  }

  get fromUpstream(): boolean {
    return this.#text !== null;
  }

  /** The upstream's head while none of its headers was changed; `null` otherwise. `addedLines` go with it. */
  get untouched(): ResponseText | null {
    return this.#list === null && this.replacement === null && !this.streamed ? this.#text : null;
  }

  /** The reason phrase with its blank where it is the upstream's own. */
  get reason(): string | null {
    return this.#text !== null && this.#text.status === this.#status ? this.#text.reason : null;
  }

  /** Whether the upstream's connection was switched to another protocol: its name. */
  get upgrade(): string | null {
    return this.#status === 101 && this.#text !== null ? this.#text.upgrade : null;
  }

  /** Bytes of the body; -1: unknown. */
  get contentLength(): number {
    if (this.ownLength >= 0) return this.ownLength;
    return this.#text === null ? -1 : this.#text.contentLength;
  }

  header(name: string): string | undefined {
    if (this.#list !== null || this.#text === null) return this.#headers().get(name);
    const received = this.#received(this.#text, name);
    return this.#added === null ? received : joinValues(received, this.#added.get(name));
  }

  received(): readonly (readonly [name: string, value: string])[] {
    const list: [string, string][] = [];
    const text = this.#text;
    text?.forEach((name, value) => {
      const lower = lowerCase(name);
      if (passes(text, lower) && !FRAMING.has(lower)) list.push([name, value]);
    });
    return list;
  }

  /** A header of the upstream as it came, by lower-case name. */
  nodeHeader(lower: string): string | undefined {
    return this.#text === null ? undefined : fieldOf(this.#text, lower, true);
  }

  /** The first cookie of that name, whatever its case, that the upstream sets (RFC 6265 section 5.2). */
  nodeCookie(name: string): string | undefined {
    const wanted = lowerCase(name);
    let found: string | undefined;
    this.#text?.forEach((field, value) => {
      if (found !== undefined || lowerCase(field) !== "set-cookie") return;
      const [pair = ""] = value.split(";", 1);
      const equals = pair.indexOf("=");
      if (equals > 0 && lowerCase(pair.slice(0, equals).trim()) === wanted) found = pair.slice(equals + 1).trim();
    });
    return found;
  }

  /**
   * Notes how the head is written, for `sent` and `sentHeader`.
   * @param ownLines the gateway's own lines with CRLF.
   * @param connection the value of that header; `""`: there is none, as in HTTP/2.
   * @param types what adds charsets to types.
   */
  written(ownLines: string, framing: Framing, connection: string, types: ContentTypes): void {
    this.#types = types;
    this.#ownLines = ownLines;
    this.#framing = framing;
    this.#connection = connection;
  }

  /** Every header as it is sent; complete once the head was written. */
  sent(): readonly (readonly [name: string, value: string])[] {
    const list: [string, string][] = [];
    this.#headers().forEach((name, value) => {
      const lower = lowerCase(name);
      if (lower === "content-type") list.push([name, this.#types(value, this.#status)]);
      else if (!FRAMING.has(lower)) list.push([name, value]);
    });
    const ownServer = this.#headers().get("server") !== undefined;
    forEachField(this.#ownLines, 0, (name, value) => {
      if (name !== "Server" || !ownServer) list.push([name, value]);
    });
    const framing = this.#framing;
    if (typeof framing === "number") list.push(["Content-Length", String(framing)]);
    else if (framing === "chunked") list.push(["Transfer-Encoding", framing]);
    if (this.#connection !== "") list.push(["Connection", this.#connection]);
    return list;
  }

  /** A header as it is sent, by lower-case name; before the head was written as far as it is known. */
  sentHeader(lower: string): string | undefined {
    if (this.#framing === null) return this.header(lower);
    switch (lower) {
      case "content-length":
        return typeof this.#framing === "number" ? String(this.#framing) : undefined;
      case "transfer-encoding":
        return this.#framing === "chunked" ? this.#framing : undefined;
      case "connection":
        return this.#connection === "" ? undefined : this.#connection;
      case "content-type": {
        const type = this.header(lower);
        return type === undefined ? undefined : this.#types(type, this.#status);
      }
      default:
        return this.header(lower) ?? findField(this.#ownLines, 0, lower, true);
    }
  }

  setHeader(name: string, value: string): void {
    const text = this.#text;
    const lower = lowerCase(name);
    if (this.#list !== null || text === null || PLACED.has(lower) || this.#received(text, lower) !== undefined) {
      this.#headers().set(name, value);
    } else (this.#added ??= new HeaderList()).set(name, value);
  }

  addHeader(name: string, value: string): void {
    if (this.#list !== null || this.#text === null || PLACED.has(lowerCase(name))) this.#headers().add(name, value);
    else (this.#added ??= new HeaderList()).add(name, value);
  }

  removeHeader(name: string): void {
    const text = this.#text;
    const lower = lowerCase(name);
    this.#added?.remove(lower);
    if (this.#list !== null || text === null || this.#received(text, lower) !== undefined)
      this.#headers().remove(lower);
  }

  replaceBody(body: Uint8Array): void {
    this.replacement = body;
    this.replacedAt = this.place;
    const headers = this.#headers();
    headers.remove("Content-Encoding");
    // For the plugins that come later; it is not written from here.
    headers.set("Content-Length", String(body.length));
  }

  streamBody(): void {
    this.streamed = true;
  }

  /** A header of an answer made here, known to be well-formed. */
  push(name: string, value: string): void {
    this.#headers().push(name, value);
  }

  /** Lines that plugins added, while the upstream's head is `untouched`. */
  get addedLines(): string {
    return this.#added === null ? "" : this.#added.lines(() => false);
  }

  /** Every line that is passed on, without those that frame the message; `drop`: further names. */
  lines(drop: (lower: string) => boolean): string {
    return this.#headers().lines((name) => FRAMING.has(name) || drop(name));
  }

  #headers(): HeaderList {
    if (this.#list !== null) return this.#list;
    const list = new HeaderList();
    const text = this.#text;
    text?.forEach((name, value) => {
      if (passes(text, lowerCase(name))) list.push(name, value);
    });
    this.#added?.forEach((name, value) => list.push(name, value));
    this.#added = null;
    this.#list = list;
    return list;
  }

  /** The value of a header of the upstream that is passed on or rewritten. */
  #received(text: ResponseText, lower: string): string | undefined {
    return passes(text, lower) ? fieldOf(text, lower, true) : undefined;
  }
}

function passes(text: ResponseText, lower: string): boolean {
  if (lower === "server" || (lower === "trailer" && !text.chunked)) return false;
  return text.connectionFields === null || !text.connectionFields.includes(lower);
}

/** Tells what the nodes answered, where the last one failed or `always`; plugins may change it. */
export function nameUpstreamStatus(answer: Answer, attempts: readonly Attempt[], always: boolean): void {
  const { status } = attempts.at(-1)!;
  if (!always && (status < 500 || status > 599)) return;
  answer.setHeader("X-APISIX-Upstream-Status", attempts.map((attempt) => attempt.status).join(", "));
}

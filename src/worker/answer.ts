import type { ResponseHead } from "../plugin/context.ts";
import type { ResponseText } from "../upstream/response-head.ts";
import { HeaderList } from "./header-list.ts";

/** Names whose lines the gateway writes itself. */
const FRAMING = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/**
 * The head of one answer: the upstream's as received, or one made here. Nothing is
 * copied until a plugin looks at or changes a header.
 */
export class Answer implements ResponseHead {
  readonly #text: ResponseText | null;
  #list: HeaderList | null = null;
  #status: number;
  /** What is sent instead of the body; `null`: the body as it comes. */
  replacement: Uint8Array | null = null;
  /** Body filters change the length. */
  streamed = false;
  /** Bytes of the body where the gateway knows them better than the upstream's head; -1: it does not. */
  ownLength = -1;

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

  /** The upstream's head as long as no header was touched; `null` otherwise. */
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
    return this.#headers().get(name);
  }

  setHeader(name: string, value: string): void {
    this.#headers().set(name, value);
  }

  addHeader(name: string, value: string): void {
    this.#headers().add(name, value);
  }

  removeHeader(name: string): void {
    this.#headers().remove(name);
  }

  replaceBody(body: Uint8Array): void {
    this.replacement = body;
    this.#headers().remove("Content-Encoding");
  }

  streamBody(): void {
    this.streamed = true;
  }

  /** A header of an answer made here, known to be well-formed. */
  push(name: string, value: string): void {
    this.#headers().push(name, value);
  }

  /** Every line that is passed on, without those that frame the message; `drop`: further names. */
  lines(drop: (lower: string) => boolean): string {
    return this.#headers().lines((name) => FRAMING.has(name) || drop(name));
  }

  #headers(): HeaderList {
    if (this.#list !== null) return this.#list;
    const list = new HeaderList();
    const text = this.#text;
    const dropped = text?.connectionFields ?? null;
    text?.forEach((name, value) => {
      const lower = name.toLowerCase();
      if (lower === "trailer" && !text.chunked) return;
      if (lower === "server" || (dropped !== null && dropped.includes(lower))) return;
      list.push(name, value);
    });
    this.#list = list;
    return list;
  }
}

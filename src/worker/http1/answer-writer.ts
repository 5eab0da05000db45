import type { Socket } from "node:net";
import { latin1 } from "../../lib/latin1.ts";
import { writeTogether } from "../../lib/write-together.ts";
import { borrowBuffer, BUFFER_SIZE, returnBuffer } from "../../upstream/read-buffers.ts";
import type { ResponseText } from "../../upstream/response-head.ts";
import type { Answer } from "../answer.ts";
import type { BufferOwner } from "../downstream.ts";
import type { ContentTypes, Framing } from "./answer-form.ts";
import { answerHead } from "./answer-head.ts";

/** Up to this many bytes go out as one string: one write for head and body. */
const ONE_STRING = 16_384;

const EMPTY = Buffer.alloc(0);

/** Writes answers in the form that the client's version of HTTP/1 takes. */
export class AnswerWriter {
  /** Bytes written for the present request. */
  bytesSent = 0;
  /** The head of the answer has been written. */
  answering = false;
  /** The client does not take the answer as fast as it comes: `drain` will tell. */
  blocked = false;
  readonly #socket: Socket;
  readonly #types: ContentTypes;
  #seen = 0;
  #minor = 1;
  #toHead = false;
  #framing: Framing = "none";
  /** Buffers that the kernel has not taken in whole yet. */
  #unsent: Buffer[] | null = null;

  constructor(socket: Socket, types: ContentTypes) {
    this.#socket = socket;
    this.#types = types;
  }

  /** A request of HTTP/1.`minor` has come; `toHead`: it is a HEAD. */
  begin(minor: number, toHead: boolean): void {
    if (this.#unsent !== null) this.#reclaim();
    this.#minor = minor;
    this.#toHead = toHead;
    this.bytesSent = 0;
    this.#seen = 0;
    this.answering = false;
  }

  /** Whether anything was written since this was last asked, or the request began. */
  wrote(): boolean {
    const before = this.#seen;
    this.#seen = this.bytesSent;
    return this.#seen > before;
  }

  /** Passes on an interim response; HTTP/1.0 knows none (RFC 9110, section 15.2). */
  interim(head: ResponseText): void {
    if (this.#minor === 0 || this.answering) return;
    const lines = head.connectionFields === null ? head.kept : endToEndLines(head, head.connectionFields);
    this.#write(`HTTP/1.1 ${head.status}${head.reason ?? ""}\r\n${lines}\r\n`, EMPTY, 0, 0, "", null);
  }

  /** How the body of this answer will be delimited (RFC 9112, section 6.3). */
  frame(answer: Answer): Framing {
    this.#framing = this.#framingOf(answer);
    return this.#framing;
  }

  /** Writes the head, framed by the last `frame`, and the first part of the body; see `Downstream.head`. */
  head(
    answer: Answer,
    keepAlive: boolean,
    extra: string,
    buffer: Buffer,
    from: number,
    to: number,
    complete: boolean,
    source: BufferOwner | null,
  ): boolean {
    this.answering = true;
    const framing = this.#framing;
    const head = answerHead(answer, framing, keepAlive, extra, this.#types);
    answer.written(extra, framing, framing === "tunnel" ? "upgrade" : keepAlive ? "keep-alive" : "close", this.#types);
    const { status } = answer;
    if (this.#toHead || status === 204 || status === 304) return this.#write(head, EMPTY, 0, 0, "", null);
    return this.#writeBody(head, buffer, from, to, complete, "", source);
  }

  /** Writes more of the body; see `Downstream.body`. */
  body(
    buffer: Buffer,
    from: number,
    to: number,
    complete: boolean,
    trailers: string,
    source: BufferOwner | null,
  ): boolean {
    return this.#toHead || this.#writeBody("", buffer, from, to, complete, trailers, source);
  }

  /** As few calls to the kernel as it takes, and no copy. */
  #writePieces(head: string, piece: Buffer, tail: string): void {
    const socket = this.#socket;
    if (head === "" && tail === "") {
      socket.write(piece);
      return;
    }
    socket.cork();
    if (head !== "") socket.write(head, "latin1");
    socket.write(piece);
    if (tail !== "") socket.write(tail, "latin1");
    socket.uncork();
  }

  /**
   * Writes a piece that is overwritten soon. The copy is in a buffer that is used again: copies
   * left to the collector cost as much as all the rest of an answer of 100 KiB.
   */
  #writeCopy(head: string, piece: Buffer, tail: string): void {
    if (head.length + piece.length + tail.length > BUFFER_SIZE) {
      this.#writePieces(head, Buffer.from(piece), tail);
      return;
    }
    const copy = borrowBuffer();
    let length = copy.write(head, 0, "latin1");
    length += piece.copy(copy, length);
    length += copy.write(tail, length, "latin1");
    this.#socket.write(copy.subarray(0, length));
    // What the kernel has taken is free again.
    if (this.#socket.writableLength > 0) this.#keep(copy);
    else returnBuffer(copy);
  }

  /** What was written has gone out; whether somebody waits for that. */
  drained(): boolean {
    const { blocked } = this;
    this.blocked = false;
    if (this.#unsent !== null) this.#reclaim();
    return blocked;
  }

  /** Buffers whose bytes have gone out can be read into again. */
  #reclaim(): void {
    if (this.#unsent === null || this.#socket.writableLength > 0) return;
    for (const buffer of this.#unsent) returnBuffer(buffer);
    this.#unsent = null;
  }

  #keep(buffer: Buffer): void {
    (this.#unsent ??= []).push(buffer);
  }

  #framingOf(answer: Answer): Framing {
    const { status } = answer;
    if (status === 101) return "tunnel";
    if (status === 204 || status === 304) return "none";
    const length = answer.streamed ? -1 : answer.contentLength;
    if (length >= 0) return length;
    if (this.#toHead) return "none";
    return this.#minor === 1 ? "chunked" : "close";
  }

  #writeBody(
    head: string,
    buffer: Buffer,
    from: number,
    to: number,
    complete: boolean,
    trailers: string,
    source: BufferOwner | null,
  ): boolean {
    if (this.#framing !== "chunked") return this.#write(head, buffer, from, to, "", source);
    const last = complete ? `0\r\n${trailers}\r\n` : "";
    if (to === from) return this.#write(head + last, EMPTY, 0, 0, "", null);
    return this.#write(`${head}${(to - from).toString(16)}\r\n`, buffer, from, to, `\r\n${last}`, source);
  }

  /** Writes all of it, at best as one string; false: the client does not take it as fast as it comes. */
  #write(head: string, buffer: Buffer, from: number, to: number, tail: string, source: BufferOwner | null): boolean {
    const socket = this.#socket;
    const size = head.length + to - from + tail.length;
    if (size === 0) return true;
    this.bytesSent += size;
    if (this.#unsent !== null) this.#reclaim();
    if (size <= ONE_STRING) {
      writeTogether(socket, to === from ? head + tail : head + latin1(buffer, from, to) + tail);
    } else if (source !== null && source.sharesBuffer) this.#writeCopy(head, buffer.subarray(from, to), tail);
    else {
      this.#writePieces(head, buffer.subarray(from, to), tail);
      if (socket.writableLength > 0 && source !== null) this.#keep(source.giveBuffer());
    }
    // What the kernel took at once needs no waiting, however much it was.
    const flowing = socket.writableLength < socket.writableHighWaterMark;
    if (!flowing) this.blocked = true;
    return flowing;
  }
}

/** The lines without those that Connection names. */
function endToEndLines(head: ResponseText, dropped: readonly string[]): string {
  let lines = "";
  for (const line of head.kept.split("\r\n")) {
    const name = line.slice(0, line.indexOf(":")).toLowerCase();
    if (line !== "" && !dropped.includes(name)) lines += `${line}\r\n`;
  }
  return lines;
}

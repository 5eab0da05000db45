import { write } from "node:fs";
import { reasonOf } from "../lib/errors.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { AccessLogSettings } from "../settings/settings.ts";
import { compileAccessLine } from "./access-line.ts";
import type { LinePiece } from "./access-line.ts";
import { openAppendFile } from "./append-file.ts";
import { LineBuffer } from "./line-buffer.ts";
import type { Logger } from "./logger.ts";

/**
 * The access log: lines are gathered in memory and appended by one asynchronous
 * write at a time, when `buffer` bytes are full or after a second. While the disk
 * is slow lines wait, up to a bound; beyond it they are dropped and counted, and
 * the error log says how many once the disk keeps up again.
 */
export interface AccessLog {
  /** Adds the line of a finished request. */
  write(ctx: RequestContext): void;
  /** Resolves when everything written so far is with the system (or was given up). */
  flush(): Promise<void>;
  /** Opens the file anew, after a rotation; lines before go to the old file, which goes on where that fails. */
  reopen(): Promise<void>;
  /** Flushes and closes. */
  close(): Promise<void>;
}

/** How long a line may wait in memory, in milliseconds. */
const FLUSH_AFTER_MS = 1000;
/** Bytes that may wait while a write is under way: this, or 16 buffers. */
const MIN_BACKLOG = 4 * 1024 * 1024;
/** Pause before the next try when a pipe is full, in milliseconds. */
const RETRY_AFTER_MS = 20;

/** Opens the access log of a worker. Throws when the file cannot be opened. */
export function createAccessLog(access: AccessLogSettings, log: Logger): AccessLog {
  return new BufferedAccessLog(access, log);
}

class BufferedAccessLog implements AccessLog {
  readonly #line: LinePiece;
  readonly #file;
  readonly #log: Logger;
  readonly #buffer: number;
  readonly #backlog: number;
  /** Lines that wait. */
  #waiting: LineBuffer;
  /** The other buffer: what is being written, or ready to be swapped in. */
  #spare: LineBuffer;
  #writing = false;
  #dropped = 0;
  #failed = false;
  #timer: NodeJS.Timeout | null = null;
  #idle: (() => void)[] = [];

  constructor(access: AccessLogSettings, log: Logger) {
    this.#line = compileAccessLine(access.format, access.escape);
    this.#file = openAppendFile(access.file);
    this.#log = log;
    this.#buffer = Math.max(1, access.buffer);
    this.#backlog = Math.max(MIN_BACKLOG, 16 * this.#buffer);
    this.#waiting = new LineBuffer(this.#capacity());
    this.#spare = new LineBuffer(this.#capacity());
  }

  write(ctx: RequestContext): void {
    if (this.#waiting.length >= this.#backlog) {
      this.#dropped += 1;
      return;
    }
    this.#line(ctx, this.#waiting);
    if (this.#waiting.length >= this.#buffer) this.#startWrite();
    else if (this.#timer === null) this.#timer = setTimeout(() => this.#startWrite(), FLUSH_AFTER_MS).unref();
  }

  flush(): Promise<void> {
    this.#startWrite();
    if (!this.#writing) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async reopen(): Promise<void> {
    await this.flush();
    try {
      this.#file.reopen();
    } catch (thrown) {
      this.#log.error(`access log ${this.#file.path} was not reopened: ${reasonOf(thrown)}`);
    }
  }

  async close(): Promise<void> {
    await this.flush();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#file.close();
  }

  #startWrite(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#writing || this.#waiting.length === 0) return;
    this.#writing = true;
    const full = this.#waiting;
    this.#waiting = this.#spare;
    this.#spare = full;
    this.#append(full.filled(), 0);
  }

  /** Room for the line that goes over the edge. */
  #capacity(): number {
    return this.#buffer + 4096;
  }

  /** Writes `bytes` from `start`, in pieces of whole lines where the file takes only so many at once. */
  #append(bytes: Buffer, start: number): void {
    write(this.#file.fd, bytes, start, pieceLength(bytes, start, this.#file.atomicBytes), null, (error, written) => {
      if (error?.code === "EAGAIN") {
        setTimeout(() => this.#append(bytes, start), RETRY_AFTER_MS).unref();
        return;
      }
      if (error !== null) this.#giveUp(bytes, start, error);
      else if (start + written < bytes.length) {
        this.#append(bytes, start + written);
        return;
      } else if (this.#failed) {
        this.#failed = false;
        this.#log.notice(`access log ${this.#file.path}: written again`);
      }
      this.#finishWrite();
    });
  }

  #giveUp(bytes: Buffer, start: number, error: NodeJS.ErrnoException): void {
    for (let at = bytes.indexOf(10, start); at !== -1; at = bytes.indexOf(10, at + 1)) this.#dropped += 1;
    if (this.#failed) return;
    this.#failed = true;
    this.#log.error(`access log ${this.#file.path}: ${error.message}`);
  }

  #finishWrite(): void {
    this.#writing = false;
    this.#spare.clear();
    // What grew during a stall is given back.
    if (this.#spare.capacity > 4 * this.#capacity()) this.#spare = new LineBuffer(this.#capacity());
    if (this.#dropped > 0 && !this.#failed) {
      this.#log.warn(`access log ${this.#file.path}: ${this.#dropped} lines dropped: the disk did not keep up`);
      this.#dropped = 0;
    }
    if (this.#waiting.length >= this.#buffer || this.#idle.length > 0) this.#startWrite();
    if (this.#writing) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}

/** The bytes to write next: all, or the whole lines within `limit` (at least one piece of a longer line). */
function pieceLength(bytes: Buffer, start: number, limit: number): number {
  if (bytes.length - start <= limit) return bytes.length - start;
  const newline = bytes.lastIndexOf(10, start + limit - 1);
  return newline >= start ? newline + 1 - start : limit;
}

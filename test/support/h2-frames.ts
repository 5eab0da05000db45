import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Frames of HTTP/2 (RFC 9113, section 4) by hand, for what no client would send. */

export const types = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const;

/** Names of error codes (section 7). */
const codes = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
];

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** The bytes of a frame; `length` may lie. */
export function frame(
  type: number,
  stream: number,
  payload: Uint8Array | readonly number[] = [],
  flag = 0,
  length?: number,
): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(length ?? body.length, 0, 3);
  head[3] = type;
  head[4] = flag;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** A 32-bit number. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Fields as HPACK (RFC 7541, section 6.2.2) writes them without its tables. */
export function fieldBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length: number[] = [127];
  let rest = bytes.length - 127;
  while (rest >= 128) {
    length.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** The pseudo-fields of a GET. */
export const get: readonly (readonly [string, string])[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "a.test"],
];

/** A whole head in one frame. */
export function headers(
  stream: number,
  fields: readonly (readonly [string, string])[] = get,
  flag: number = flags.endStream,
): Buffer {
  return frame(types.headers, stream, fieldBlock(fields), flag | flags.endHeaders);
}

/** A connection in clear text that begins with the preface. */
export class RawHttp2 {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  #bytes = Buffer.alloc(0);

  constructor(port: number, start: Uint8Array = frame(types.settings, 0)) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("error", () => undefined);
    this.socket.on("data", (chunk: Buffer) => this.#data(chunk));
    this.send(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), start);
  }

  send(...pieces: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(pieces));
  }

  /** Waits for a frame that is right; `null`: the connection has ended before. */
  async until(right: (frame: Frame) => boolean): Promise<Frame | null> {
    for (;;) {
      const found = this.frames.find(right);
      if (found !== undefined) return found;
      if (this.socket.closed || this.socket.readableEnded) return null;
      // A peer that has had enough may reset the connection while there is more to send: `close` follows.
      await Promise.race(["data", "end", "close"].map((event) => once(this.socket, event).catch(() => null)));
    }
  }

  /** Waits until the peer's settings have come, and are acknowledged. */
  async settled(): Promise<void> {
    await this.until(({ type, flags: flag }) => type === types.settings && (flag & flags.ack) === 0);
  }

  /** How the peer refuses: `GOAWAY <code>` or `RST_STREAM <code>`, or `closed`. */
  async refusal(): Promise<string> {
    const found = await this.until(
      ({ type, payload }) => type === types.reset || (type === types.goaway && payload.readUInt32BE(4) !== 0),
    );
    if (found === null) return "closed";
    const code = found.payload.readUInt32BE(found.type === types.reset ? 0 : 4);
    return `${found.type === types.reset ? "RST_STREAM" : "GOAWAY"} ${codes[code] ?? code}`;
  }

  /** Waits until the peer has ended the connection. */
  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, "close");
  }

  #data(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      const length = this.#bytes.length < 9 ? 0 : this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < 9 + length) return;
      const [type, flag] = [this.#bytes[3]!, this.#bytes[4]!];
      const payload = this.#bytes.subarray(9, 9 + length);
      this.frames.push({ type, flags: flag, stream: this.#bytes.readUInt32BE(5) & 0x7fffffff, payload });
      this.#bytes = this.#bytes.subarray(9 + length);
      if (type === types.settings && (flag & flags.ack) === 0) this.send(frame(types.settings, 0, [], flags.ack));
    }
  }
}

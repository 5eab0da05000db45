import type { Socket } from "node:net";

/**
 * Buffers that sockets read into. Heads and small bodies of all connections of a thread
 * are read into one: each read is dealt with before the next one happens. A larger body
 * gets a buffer of its own for its time, because what is being written must stay.
 */

/** Bytes of each buffer: what a read may bring, and a head in front of it when it is written. */
export const BUFFER_SIZE = 73_728;
/** Bytes of the shared buffer. */
const READ_SIZE = 65_536;
const MAX_FREE = 32;
const free: Buffer[] = [];

/** The shared buffer; what it holds is valid until the present callback returns. */
export const headBuffer: Buffer = Buffer.allocUnsafeSlow(READ_SIZE);

/** A buffer for one connection. */
export function borrowBuffer(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_SIZE);
}

/** Nothing refers to the buffer any more. */
export function returnBuffer(buffer: Buffer): void {
  if (free.length < MAX_FREE && buffer.length === BUFFER_SIZE) free.push(buffer);
}

/** A socket with the handle that node:net keeps in it. */
interface HandleOwner {
  readonly _handle: { readonly useUserBuffer?: (buffer: Uint8Array) => void } | null;
}

/** What one socket, made with `onread` and `headBuffer`, reads into. */
export class ReadBuffer {
  /** The shared buffer, or one of the socket's own. */
  bytes: Buffer = headBuffer;
  #gaveAway = false;

  /** Whether the bytes last handed over are overwritten by reads of other sockets. */
  get sharesBuffer(): boolean {
    return this.bytes === headBuffer;
  }

  /** Gives the buffer away, which is not the shared one; who gets it may return it one day. */
  giveBuffer(): Buffer {
    this.#gaveAway = true;
    return this.bytes;
  }

  /** Chooses between the shared buffer and an own one for the next read. */
  choose(own: boolean, socket: Socket): void {
    if (own !== this.sharesBuffer && !this.#gaveAway) return;
    const handle = (socket as unknown as HandleOwner)._handle;
    // Without a way to tell the socket it goes on reading into the shared buffer.
    if (this.sharesBuffer && handle?.useUserBuffer === undefined) return;
    this.letGo();
    if (own) this.bytes = borrowBuffer();
    handle?.useUserBuffer?.(this.bytes);
  }

  /** The socket reads no more. */
  letGo(): void {
    if (!this.sharesBuffer && !this.#gaveAway) returnBuffer(this.bytes);
    this.#gaveAway = false;
    this.bytes = headBuffer;
  }
}

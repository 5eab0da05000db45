/**
 * Buffers that sockets read into. Heads and small bodies of all connections of a thread
 * are read into one: each read is dealt with before the next one happens. A larger body
 * gets a buffer of its own for its time, because what is being written must stay.
 */

const SIZE = 65_536;
const MAX_FREE = 32;
const free: Buffer[] = [];

/** The shared buffer; what it holds is valid until the present callback returns. */
export const headBuffer: Buffer = Buffer.allocUnsafeSlow(SIZE);

/** A buffer for one connection. */
export function borrowBuffer(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(SIZE);
}

/** Nothing refers to the buffer any more. */
export function returnBuffer(buffer: Buffer): void {
  if (free.length < MAX_FREE) free.push(buffer);
}

import type { Socket } from "node:net";

/** A socket with the handle that node:net keeps in it. */
interface HandleOwner {
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}

/**
 * What a peer has still to take of everything written to it: while nothing more is
 * written the number falls whenever the kernel takes some, also in the middle of a long
 * write, of whose end alone node:net tells.
 */
export function unsentBytes(socket: Socket): number {
  return socket.writableLength + ((socket as unknown as HandleOwner)._handle?.writeQueueSize ?? 0);
}

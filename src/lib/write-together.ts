import type { Socket } from "node:net";

/** So many sockets wait for each other at most: the first must not wait long for the last. */
const MAX_WAITING = 32;

/** The sockets whose writes have not gone out yet, each corked once by us. */
const waiting: Socket[] = [];

/**
 * Writes a short text once all that can be read now has been read and answered, together with what
 * goes to others then. Written one by one, each write may wake up a peer that has fallen asleep since the
 * last, and waking up costs more than writing where the peer is on the same machine. Bytes go out in the order in which
 * they were written to a socket, by whatever means; what `write` would return is returned.
 */
export function writeTogether(socket: Socket, text: string): boolean {
  if (socket.writableCorked > 0) return socket.write(text, "latin1");
  socket.cork();
  const flowing = socket.write(text, "latin1");
  const count = waiting.push(socket);
  if (count === 1) setImmediate(flush);
  else if (count === MAX_WAITING) flush();
  return flowing;
}

/** Destroys a socket without dropping what still waits for others. */
export function destroyAfterWrites(socket: Socket): void {
  while (socket.writableCorked > 0) socket.uncork();
  socket.destroy();
}

/** At the end of a turn it may come more than once, then for nothing. */
function flush(): void {
  for (const socket of waiting) socket.uncork();
  waiting.length = 0;
}

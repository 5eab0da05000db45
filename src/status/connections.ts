import type { Server } from "node:http";
import type { Socket } from "node:net";

/** Connections held at once; more than all barrier waiters and event streams together. */
const MAX_CONNECTIONS = 1024;

/** The connections of a status server. */
export interface Connections {
  /** Exempts a connection from eviction while its request waits on purpose; returns how to end that. */
  hold(socket: Socket): () => void;
  readonly size: number;
}

/**
 * Bounds the connections of `server`. Where there are too many, room is made: the
 * peer address that holds the most loses its oldest one. So a flood evicts itself,
 * and a probe from elsewhere is never refused.
 */
export function boundConnections(server: Server, limit: number = MAX_CONNECTIONS): Connections {
  /** Connections by peer address, oldest first; held ones are counted in `size` alone. */
  const byPeer = new Map<string, Set<Socket>>();
  let size = 0;

  function put(socket: Socket, peer: string): void {
    const sockets = byPeer.get(peer);
    if (sockets === undefined) byPeer.set(peer, new Set([socket]));
    else sockets.add(socket);
  }

  function take(socket: Socket, peer: string): void {
    const sockets = byPeer.get(peer);
    if (sockets?.delete(socket) === true && sockets.size === 0) byPeer.delete(peer);
  }

  function evict(): void {
    let peer = "";
    let largest: Set<Socket> | undefined;
    for (const [address, sockets] of byPeer) {
      if (largest !== undefined && sockets.size <= largest.size) continue;
      largest = sockets;
      peer = address;
    }
    for (const oldest of largest ?? []) {
      take(oldest, peer);
      oldest.destroy();
      return;
    }
  }

  server.on("connection", (socket: Socket) => {
    const peer = socket.remoteAddress ?? "";
    size++;
    put(socket, peer);
    socket.once("close", () => {
      size--;
      take(socket, peer);
    });
    if (size > limit) evict();
  });

  return {
    hold(socket) {
      const peer = socket.remoteAddress ?? "";
      take(socket, peer);
      return () => {
        if (!socket.destroyed) put(socket, peer);
      };
    },
    get size() {
      return size;
    },
  };
}

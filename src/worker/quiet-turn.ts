import type { Server } from "node:net";

/** How long a turn of the event loop may take at whose end a listener is closed, in milliseconds. */
const SHORT_MS = 0.05;
/** How long no connection must have come: they come in bursts. */
const QUIET_MS = 0.5;
/** After so long half as much rest will do and twice as long a turn, and so on. */
const PATIENCE_MS = 10;

/** Closes listeners when that resets least, and empties their list; `accepted` counts their connections. */
export async function closeListeners(listeners: Server[], accepted: () => number): Promise<void> {
  if (listeners.length > 0) await quietTurn(accepted);
  for (const listener of listeners.splice(0)) listener.close();
}

/**
 * Resolves at the end of a short turn of the event loop that has brought no connection (or
 * datagram), nor have those before it; `accepted` counts them. The kernel resets what waits in
 * the accept queue of a listener that is closed, so that is when to close it: what came after the
 * loop has looked had no more time than the turn took.
 */
export async function quietTurn(accepted: () => number): Promise<void> {
  const since = performance.now();
  let [turn, quietSince, before] = [since, since, accepted()];
  for (;;) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    const now = performance.now();
    const came = accepted();
    if (came !== before) quietSince = now;
    const ease = 2 ** Math.floor((now - since) / PATIENCE_MS);
    if (came === before && now - quietSince >= QUIET_MS / ease && now - turn <= SHORT_MS * ease) return;
    [turn, before] = [now, came];
  }
}

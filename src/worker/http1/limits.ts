/** What one client may take of the gateway where no setting says so. */

/** Bytes that may wait while a request is under way, beyond which the socket is not read. */
export const MAX_WAITING = 65_536;
/** The rest of a body that nobody wants is read up to here so that the connection can be kept. */
export const MAX_DISCARD = 262_144;
/** How long a client may go on sending after its connection was ended. */
export const LINGER_MS = 5_000;
/** How long an answer may take to begin, or pause, for a client that has ended its half; then it has gone. */
export const HALF_CLOSED_GRACE_MS = 2_000;
/** Idle time that a draining worker gives a kept-alive connection. */
export const DRAIN_GRACE_MS = 1_000;

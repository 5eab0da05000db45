import { TurnpikeError } from "../lib/errors.ts";
import type { Address } from "../settings/settings.ts";

/** The error of an address that cannot be listened on. */
export function addressFailure(address: Address, error: NodeJS.ErrnoException): TurnpikeError {
  const what = error.code === "EADDRINUSE" ? "is in use" : `cannot be listened on: ${error.message}`;
  return new TurnpikeError("ADDRESS_IN_USE", `${formatListen(address)} ${what}`, error);
}

/** `127.0.0.1:9080`, `[::1]:9080`. */
export function formatListen({ ip, port }: Address): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

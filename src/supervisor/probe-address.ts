import { createServer } from "node:net";
import { TurnpikeError } from "../lib/errors.ts";
import type { Address } from "../settings/settings.ts";

/**
 * Fails with ADDRESS_IN_USE when another program listens on the address.
 *
 * Workers listen with SO_REUSEPORT, which another gateway of the same user could
 * join unnoticed; binding once without it finds that out before anything starts.
 */
export async function probeAddress(what: string, address: Address): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new TurnpikeError("ADDRESS_IN_USE", listenFailure(what, address, error), error));
    });
    server.listen({ host: address.ip, port: address.port, ipv6Only: true }, () => server.close(() => resolve()));
  });
}

/** One line for people that says why an address cannot be listened on. */
export function listenFailure(what: string, address: Address, error: NodeJS.ErrnoException): string {
  const where = formatAddress(address);
  if (error.code === "EADDRINUSE") return `${what} ${where}: the address is already in use by another program`;
  if (error.code === "EACCES") return `${what} ${where}: no permission to listen on this port`;
  if (error.code === "EADDRNOTAVAIL") return `${what} ${where}: this machine does not have the address`;
  return `${what} ${where}: ${error.message}`;
}

/** `127.0.0.1:9080`, `[::1]:9080`. */
export function formatAddress(address: Address): string {
  return address.ip.includes(":") ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

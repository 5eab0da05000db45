import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { TurnpikeError } from "../lib/errors.ts";
import type { Address, Settings } from "../settings/settings.ts";

/**
 * Fails with ADDRESS_IN_USE when another program listens on the address.
 *
 * Workers listen with SO_REUSEPORT, which another gateway of the same user could
 * join unnoticed; binding once without it finds that out before anything starts.
 */
export async function probeAddress(what: string, address: Address, udp = false): Promise<void> {
  if (udp) {
    await probeUdp(what, address);
    return;
  }
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new TurnpikeError("ADDRESS_IN_USE", listenFailure(what, address, error), error));
    });
    server.listen({ host: address.ip, port: address.port, ipv6Only: true }, () => server.close(() => resolve()));
  });
}

async function probeUdp(what: string, { ip, port }: Address): Promise<void> {
  const ipv6 = ip.includes(":");
  const socket = createSocket({ type: ipv6 ? "udp6" : "udp4", ipv6Only: ipv6 });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (error: NodeJS.ErrnoException) => {
      reject(new TurnpikeError("ADDRESS_IN_USE", listenFailure(what, { ip, port }, error), error));
    });
    socket.bind({ address: ip, port }, () => socket.close(() => resolve()));
  });
}

/**
 * The settings without `[::]` listeners where the machine has no IPv6: APISIX's default
 * asks for both families on every machine.
 */
export async function withUsableFamilies(settings: Settings): Promise<Settings> {
  const { listen } = settings.http;
  const usable = listen.filter((address) => address.ip !== "::");
  if (usable.length === listen.length || (await hasIpv6())) return settings;
  return { ...settings, http: { ...settings.http, listen: usable } };
}

async function hasIpv6(): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ host: "::", port: 0, ipv6Only: true }, () => server.close(() => resolve(true)));
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

import { isIP, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";
import type { Address } from "./settings.ts";

/**
 * The address in canonical text form: without brackets, IPv6 shortened (RFC 5952),
 * IPv4 inside IPv6 as IPv4. `text` has been checked to be an address.
 */
export function canonicalIp(text: string): string {
  return ipaddr.process(text.replace(/^\[|\]$/g, "")).toString();
}

/** `9100`, `127.0.0.1:9100` or `[::1]:9100`; a plain port is on all of IPv4. `null` for anything else. */
export function parseListen(text: string): Address | null {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]:|([\d.]+):)?(\d{1,5})$/.exec(text) ?? [];
  const ip = bracketed ?? plain ?? "0.0.0.0";
  const port = Number(digits);
  const right = isIP(ip) === (bracketed === undefined ? 4 : 6) && port >= 1 && port <= 65_535;
  return right ? { ip: canonicalIp(ip), port } : null;
}

/**
 * Whether two sockets would collide. `0.0.0.0` takes every IPv4 address; `::` takes
 * every address, since an IPv6 socket is dual-stack unless told otherwise. Port 0 never
 * collides.
 */
export function addressesOverlap(a: Address, b: Address): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  return a.ip === b.ip || covers(a.ip, b.ip) || covers(b.ip, a.ip);
}

function covers(wildcard: string, other: string): boolean {
  return wildcard === "::" || (wildcard === "0.0.0.0" && !isIPv6(other));
}

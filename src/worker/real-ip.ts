import { isIP } from "node:net";
import { type AddressMatcher, compileAddresses } from "../lib/cidr.ts";
import type { HttpSettings } from "../settings/settings.ts";

/** An address that a header gives for the client; port 0: none was given. */
export interface RealAddress {
  readonly address: string;
  readonly port: number;
}

/** Finds the client's address behind proxies that are believed (nginx's real-ip module). */
export interface RealIp {
  /** Lower-case name of the header; `""`: none is looked at. */
  readonly header: string;
  /** Whether this peer is believed. */
  believes(peer: string): boolean;
  /** The client's address by the value of the header, `null` where it gives none. */
  resolve(value: string): RealAddress | null;
}

/** Compiles the `real_ip_*` settings. */
export function compileRealIp(settings: HttpSettings): RealIp {
  const header = settings.realIpHeader.toLowerCase().replaceAll("_", "-");
  const trusted: AddressMatcher = compileAddresses(settings.realIpFrom);
  const isList = header === "x-forwarded-for";
  return {
    header: settings.realIpFrom.length === 0 ? "" : header,
    believes: (peer) => trusted.matches(peer),
    resolve(value) {
      if (!isList) return parseAddress(value);
      // nginx takes blanks for separators too, and skips what is empty.
      const hops = value.split(/[ ,]+/).filter((hop) => hop !== "");
      let found: RealAddress | null = null;
      for (let i = hops.length - 1; i >= 0; i--) {
        const hop = parseAddress(hops[i]!);
        if (hop === null) break;
        found = hop;
        if (!settings.realIpRecursive || !trusted.matches(hop.address)) break;
      }
      return found;
    },
  };
}

/** `address`, `address:port`, `[address]`, `[address]:port`. */
function parseAddress(text: string): RealAddress | null {
  if (isIP(text) !== 0) return { address: text, port: 0 };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const address = match[1] ?? match[2]!;
  const port = Number(match[3] ?? 0);
  return isIP(address) === (match[1] === undefined ? 4 : 6) && port <= 65_535 ? { address, port } : null;
}

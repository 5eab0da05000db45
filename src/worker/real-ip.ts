import { type ClientAddress, parseClientAddress } from "../lib/client-address.ts";
import { type AddressMatcher, compileAddresses } from "../lib/cidr.ts";
import type { HttpSettings } from "../settings/settings.ts";

/** Finds the client's address behind proxies that are believed (nginx's real-ip module). */
export interface RealIp {
  /** Lower-case name of the header; `""`: none is looked at. */
  readonly header: string;
  /** Whether this peer is believed. */
  believes(peer: string): boolean;
  /** Whether what the peer says in a PROXY header counts: anybody's, unless `real_ip_header: proxy_protocol`. */
  believesProxy(peer: string): boolean;
  /** The client's address by the value of the header, `null` where it gives none. */
  resolve(value: string): ClientAddress | null;
}

/** nginx's word for the PROXY protocol among names of headers. */
const PROXY_PROTOCOL = "proxy-protocol";

/** Compiles the `real_ip_*` settings. */
export function compileRealIp(settings: HttpSettings): RealIp {
  const header = settings.realIpHeader.toLowerCase().replaceAll("_", "-");
  const trusted: AddressMatcher = compileAddresses(settings.realIpFrom);
  const isList = header === "x-forwarded-for";
  return {
    header: settings.realIpFrom.length === 0 || header === PROXY_PROTOCOL ? "" : header,
    believes: (peer) => trusted.matches(peer),
    believesProxy: (peer) => header !== PROXY_PROTOCOL || trusted.matches(peer),
    resolve(value) {
      if (!isList) return parseClientAddress(value);
      // nginx takes blanks for separators too, and skips what is empty.
      const hops = value.split(/[ ,]+/).filter((hop) => hop !== "");
      let found: ClientAddress | null = null;
      for (let i = hops.length - 1; i >= 0; i--) {
        const hop = parseClientAddress(hops[i]!);
        if (hop === null) break;
        found = hop;
        if (!settings.realIpRecursive || !trusted.matches(hop.address)) break;
      }
      return found;
    },
  };
}

import type { JsonSchema } from "./json-schema.ts";

/** A host name, an address or a name that begins with a star. */
export const hostSchema = {
  type: "string",
  pattern: "^\\*$|^\\*?[0-9a-zA-Z-._\\[\\]:]+$",
} as const satisfies JsonSchema;

const octet = "([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])";
const ipv6 = "([a-fA-F0-9]{0,4}:){1,8}(:[a-fA-F0-9]{0,4}){0,8}([a-fA-F0-9]{0,4})?";

/** An IP address or a CIDR, of either family. */
export const ipSchema = {
  type: "string",
  anyOf: [
    { title: "IPv4", type: "string", format: "ipv4" },
    {
      title: "IPv4/CIDR",
      type: "string",
      pattern: `^${octet}\\.${octet}\\.${octet}\\.${octet}/([12]?[0-9]|3[0-2])$`,
    },
    { title: "IPv6", type: "string", format: "ipv6" },
    // Any three digits pass as the length of an IPv6 prefix, as in APISIX; the rules of routes say more.
    { title: "IPv6/CIDR", type: "string", pattern: `^${ipv6}/[0-9]{1,3}$` },
  ],
} as const satisfies JsonSchema;

/** `remote_addr` of routes. */
export const remoteAddrSchema = { description: "client IP", ...ipSchema } as const satisfies JsonSchema;

import { isIP } from "node:net";
import { hostname } from "node:os";
import { hostName } from "../lib/host-name.ts";

/**
 * Whether details may be answered under the name in a request's `Host`. A web page whose own name
 * was made to lead to the address of this API (DNS rebinding) comes from an allowed peer, and its
 * browser lets it read the answers; it cannot keep its name out of `Host`. So names count that
 * nobody else can make lead here: addresses, `localhost`, this machine's own, names without a dot,
 * which public DNS does not have, and those in `allowed` (`*.example.com` takes every name below,
 * `*` all). No `Host`, which HTTP/1.0 allows, is no browser.
 */
export function buildHostCheck(allowed: readonly string[]): (host: string | undefined) => boolean {
  const names = new Set([hostname().toLowerCase()]);
  const suffixes = [".localhost"];
  for (const pattern of allowed.map(hostName)) {
    if (pattern === "*") return () => true;
    if (pattern.startsWith("*.")) suffixes.push(pattern.slice(1));
    else names.add(pattern);
  }
  return (host) => {
    if (host === undefined) return true;
    const name = hostName(host);
    if (!name.includes(".") || names.has(name) || suffixes.some((suffix) => name.endsWith(suffix))) return true;
    return isIP(name) !== 0 || isIPv6InBrackets(name);
  };
}

function isIPv6InBrackets(name: string): boolean {
  return name.startsWith("[") && name.endsWith("]") && isIP(name.slice(1, -1)) === 6;
}

import type { RoutePatterns } from "../plugin/context.ts";
import { parseHost } from "./conditions.ts";
import { matchesTokens, parsePathPattern } from "./path-pattern.ts";

const first = (): number => 0;

/** Tells by which of its paths and hosts a route takes a request that it does take. */
export function routePatterns(uris: readonly string[], hosts: readonly string[]): RoutePatterns {
  return {
    uris,
    hosts,
    uriOf: uris.length > 1 ? uriFinder(uris) : first,
    hostOf: hosts.length > 1 ? hostFinder(hosts) : first,
  };
}

/** An exact path comes first, then the longest prefix, as in the router. */
function uriFinder(uris: readonly string[]): (path: string) => number {
  const patterns = uris
    .map((uri, index) => ({ index, ...parsePathPattern(uri, true) }))
    .sort((a, b) => Number(b.exact) - Number(a.exact) || b.prefix.length - a.prefix.length);
  return (path) => {
    for (const { index, exact, prefix, tokens } of patterns) {
      if (exact ? path !== prefix : !path.startsWith(prefix)) continue;
      if (tokens === null || matchesTokens(tokens, path)) return index;
    }
    return 0;
  };
}

function hostFinder(hosts: readonly string[]): (host: string) => number {
  const patterns = hosts
    .map((host, index) => ({ index, ...parseHost(host) }))
    .sort((a, b) => Number(a.wildcard) - Number(b.wildcard) || b.text.length - a.text.length);
  return (host) => patterns.find(({ text, wildcard }) => (wildcard ? host.endsWith(text) : host === text))?.index ?? 0;
}

/**
 * What a route's `uri` means, as APISIX's routers take it:
 * - no `*`: exactly this path;
 * - a trailing `*` (`/foo/*`, `/bar*`): every path that begins with what stands before it;
 * - a segment that begins with `*` before the end (`/a/*rest/z`): anything, over slashes too;
 * - any other `*` (`/a*b`): ends the prefix, what follows it is not looked at;
 * - with parameters (`radixtree_uri_with_parameter`), a segment `:name` is one segment that is not empty.
 */
export interface PathPattern {
  /** What the path begins with; the whole path where `exact`. */
  readonly prefix: string;
  readonly exact: boolean;
  /** What the path must satisfy besides its prefix; `null`: nothing. */
  readonly tokens: readonly Token[] | null;
  /** Names of the tokens that are no literals, in order, `""` where one has none; `null`: there is no name. */
  readonly names: readonly string[] | null;
}

/** A literal piece of a path, one segment that is not empty, or anything. */
type Token = string | typeof SEGMENT | typeof ANYTHING;
const SEGMENT = 1;
const ANYTHING = 2;

/** Reads a route's `uri`. */
export function parsePathPattern(uri: string, parameters: boolean): PathPattern {
  const colon = parameters ? uri.indexOf(":") : -1;
  const star = uri.indexOf("*");
  const end = colon < 0 || star < 0 ? Math.max(colon, star) : Math.min(colon, star);
  if (end < 0) return { prefix: uri, exact: true, tokens: null, names: null };
  const prefix = uri.slice(0, end);
  if (colon < 0 && star === uri.length - 1) return { prefix, exact: false, tokens: null, names: null };
  const names: string[] = [];
  const tokens = tokenize(uri, parameters, names);
  return {
    prefix,
    exact: false,
    tokens: names.length === 0 ? null : tokens,
    names: parameters && names.some((name) => name !== "") ? names : null,
  };
}

function tokenize(uri: string, parameters: boolean, names: string[]): Token[] {
  const tokens: Token[] = [];
  let literal = "";
  uri.split("/").forEach((segment, index) => {
    if (index > 0) literal += "/";
    const token = segment.startsWith("*") ? ANYTHING : parameters && segment.startsWith(":") ? SEGMENT : null;
    if (token === null) {
      literal += segment;
      return;
    }
    if (literal !== "") tokens.push(literal);
    literal = "";
    tokens.push(token);
    names.push(segment.slice(1));
  });
  if (literal !== "") tokens.push(literal);
  return tokens;
}

/**
 * Whether the whole of `path` is what the tokens say. Linear in the path for each
 * `*`, whatever the path holds: it goes back to the last `*` only. `ends` gets the end
 * of each token.
 */
export function matchesTokens(tokens: readonly Token[], path: string, ends: number[] | null = null): boolean {
  let at = 0;
  let index = 0;
  let star = -1;
  let resume = 0;
  for (;;) {
    if (index === tokens.length && at === path.length) return true;
    const token = tokens[index];
    if (token === ANYTHING) {
      star = index++;
      resume = at;
      if (ends !== null) ends[star] = resume;
      continue;
    }
    const end = token === undefined ? -1 : endOf(token, path, at);
    if (end >= 0) {
      at = end;
      if (ends !== null) ends[index] = end;
      index++;
    } else if (star >= 0 && resume < path.length) {
      index = star + 1;
      at = ++resume;
      if (ends !== null) ends[star] = resume;
    } else return false;
  }
}

/** What a path that matches has in the places of the tokens that are no literals, in order. */
export function captureTokens(tokens: readonly Token[], path: string): readonly string[] {
  const ends: number[] = [];
  matchesTokens(tokens, path, ends);
  return tokens.flatMap((token, i) =>
    typeof token === "string" ? [] : [path.slice(i === 0 ? 0 : ends[i - 1], ends[i])],
  );
}

/** Where `token` ends when it begins at `at`, or -1. */
function endOf(token: string | number, path: string, at: number): number {
  if (typeof token === "string") return path.startsWith(token, at) ? at + token.length : -1;
  const slash = path.indexOf("/", at);
  const end = slash < 0 ? path.length : slash;
  return end > at ? end : -1;
}

/** Where a request to the admin port goes. */
export interface AdminTarget {
  /** Segments below `/apisix/admin`, decoded, none of them empty; `null`: elsewhere. */
  readonly path: readonly string[] | null;
  /** Whether the path ends with a slash. */
  readonly trailingSlash: boolean;
  /** Whether a segment holds an encoded slash, which nginx takes for a separator. */
  readonly encodedSlash: boolean;
  readonly query: URLSearchParams;
}

const ROOT = ["apisix", "admin"] as const;

/**
 * Takes the target of a request apart (RFC 9112, section 3.2): decoded once, `.` and
 * `..` resolved, empty segments left out. An encoded slash counts as a separator so
 * that it reaches nothing that a plain one would not; callers refuse it.
 * `null`: the target cannot be decoded.
 */
export function parseTarget(target: string): AdminTarget | null {
  const local = target.replace(/^https?:\/\/[^/?]*/i, "");
  const mark = local.indexOf("?");
  const raw = mark < 0 ? local : local.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? "" : local.slice(mark + 1));
  const decoded = decode(raw);
  if (decoded === null || decoded.includes("\0")) return null;
  const segments: string[] = [];
  for (const segment of decoded.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.pop() === undefined) return null;
  }
  const inside = ROOT.every((name, index) => segments[index] === name);
  return {
    path: inside ? segments.slice(ROOT.length) : null,
    trailingSlash: decoded.endsWith("/"),
    encodedSlash: /%2f/i.test(raw),
    query,
  };
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

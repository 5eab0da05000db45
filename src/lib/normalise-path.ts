/**
 * The path as routes are matched with, as nginx's `$uri`: percent-encoding decoded once,
 * `//` merged, `.` and `..` resolved; `%2F` separates segments like `/`. Bytes that are
 * UTF-8 become characters, others keep their latin1 value. `null` where it cannot be
 * right: a broken escape, NUL, or `..` above the root.
 */
export function normalisePath(path: string): string | null {
  const decoded = decodeBytes(path);
  if (decoded === null) return null;
  const clean = resolveSegments(decoded);
  return clean === null ? null : asText(clean);
}

/** Parameters behind a dot segment, or behind an empty one that is not the last. */
const suspicious = /\/(?:\.{1,2};|;[^/]*\/)/;

/**
 * The path without the parameters of its segments (`/a;x=1/b` is `/a/b`), as servlet containers
 * read it. `null` where they refuse it as suspicious (Servlet 6.0, section 3.5.2): `/a/..;/b` would
 * be two paths to two readers.
 */
export function withoutPathParameters(path: string): string | null {
  if (!path.includes(";")) return path;
  return suspicious.test(path) ? null : resolveSegments(path.replace(/;[^/]*/g, ""));
}

/**
 * What settings ask for beyond `normalisePath`: `servlet` drops the parameters of segments,
 * `tailSlash` a slash at the end. `null`: nothing; the function's: the path is refused.
 */
export function compilePathAdjustment(servlet: boolean, tailSlash: boolean): ((path: string) => string | null) | null {
  if (!servlet && !tailSlash) return null;
  return (path) => {
    const plain = servlet ? withoutPathParameters(path) : path;
    if (plain === null || !tailSlash || plain.length < 2 || !plain.endsWith("/")) return plain;
    return plain.slice(0, -1);
  };
}

/**
 * The path as `normalisePath` makes it (`path`), but with every `%2F` of the target left
 * encoded (`match_uri_encoded_slash`). Only where nothing but percent-encoding was
 * normalised: with dot segments or double slashes the encoded slashes could hide what
 * they stand for, so the plain path is matched then.
 */
export function withEncodedSlashes(target: string, path: string): string {
  const question = target.indexOf("?");
  const raw = question < 0 ? target : target.slice(0, question);
  if (!/%2f/i.test(raw)) return path;
  const decoded = decodeBytes(raw);
  if (decoded === null || asText(decoded) !== path) return path;
  return asText(
    raw
      .split(/%2f/i)
      .map((part) => decodeBytes(part) ?? part)
      .join("%2F"),
  );
}

/** Decoded once to one character per byte. */
function decodeBytes(path: string): string | null {
  if (!path.includes("%")) return path;
  const parts = path.split("%");
  let out = parts[0]!;
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i]!;
    const hex = part.slice(0, 2);
    if (!/^[0-9a-fA-F]{2}$/.test(hex) || hex === "00") return null;
    out += String.fromCharCode(parseInt(hex, 16)) + part.slice(2);
  }
  return out;
}

function resolveSegments(path: string): string | null {
  const segments: string[] = [];
  const parts = path.split("/");
  // The path begins with `/`, so the first part is empty.
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i]!;
    const last = i === parts.length - 1;
    if (part === "..") {
      if (segments.pop() === undefined) return null;
      if (last) segments.push("");
    } else if (part === ".") {
      if (last) segments.push("");
    } else if (part !== "" || last) segments.push(part);
  }
  return `/${segments.join("/")}`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function asText(bytes: string): string {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes.charCodeAt(i) < 0x80) continue;
    try {
      return utf8.decode(Buffer.from(bytes, "latin1"));
    } catch {
      return bytes;
    }
  }
  return bytes;
}

/** How an answer is delimited, and what its type becomes. */

/** Types that get a charset when they come without one, as APISIX's nginx is configured. */
const TEXT_TYPES = new Set([
  "text/html",
  "text/xml",
  "text/plain",
  "text/vnd.wap.wml",
  "application/javascript",
  "application/rss+xml",
]);

/** How the body is delimited for this client. */
export type Framing =
  /** Content-Length of so many bytes. */
  | number
  | "chunked"
  /** By the end of the connection (HTTP/1.0). */
  | "close"
  /** There is none and no length is told. */
  | "none"
  /** 101. */
  | "tunnel";

/** The Content-Type that is sent for the one that came. */
export type ContentTypes = (type: string, status: number) => string;

/** Types seen lately. */
const MAX_COMPLETED = 256;

/** @param charset of `nginx_config.http.charset`; `null`: types stay as they came. */
export function compileContentTypes(charset: string | null): ContentTypes {
  if (charset === null) return (type) => type;
  const completed = new Map<string, string>();
  return (type, status) => {
    // Redirections keep theirs, as nginx lets them.
    if (status === 301 || status === 302) return type;
    let full = completed.get(type);
    if (full === undefined) {
      full = TEXT_TYPES.has(type.toLowerCase()) ? `${type}; charset=${charset}` : type;
      if (completed.size >= MAX_COMPLETED) completed.clear();
      completed.set(type, full);
    }
    return full;
  };
}

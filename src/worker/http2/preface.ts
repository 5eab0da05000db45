import type { BytesHandler } from "../accepted-socket.ts";

/** What a connection of HTTP/2 begins with (RFC 9113, section 3.4). */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Reads for HTTP/1.1, unless the first bytes are the preface: then `other` gets them all, and nothing follows. */
export function unlessHttp2(handler: BytesHandler, other: (bytes: Buffer) => void): BytesHandler {
  let decided = false;
  let before: Buffer | null = null;
  return (buffer, count) => {
    // Nearly everybody says something else first, and that in one piece.
    if (decided || (before === null && buffer[0] !== PREFACE[0])) {
      decided = true;
      handler(buffer, count);
      return;
    }
    const bytes = Buffer.concat(before === null ? [buffer.subarray(0, count)] : [before, buffer.subarray(0, count)]);
    const verdict = isPreface(bytes);
    before = bytes;
    if (verdict === null) return;
    decided = true;
    if (verdict) other(bytes);
    else handler(bytes, bytes.length);
  };
}

/** Whether the first bytes are the preface (`true`), cannot become one (`false`), or are its beginning (`null`). */
function isPreface(bytes: Buffer): boolean | null {
  const length = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, length, 0, length) !== 0) return false;
  return length === PREFACE.length ? true : null;
}

/**
 * Base64 that may consist of several padded pieces in a row, as senders of gRPC-Web write
 * that encode message by message (RFC 4648, section 4). `null`: it is none.
 */
export function decodeBase64Pieces(text: string): Buffer | null {
  const pieces: Buffer[] = [];
  for (let start = 0; start < text.length;) {
    const padding = text.indexOf("=", start);
    // A piece ends with the group of four that its padding fills up.
    const end = padding < 0 ? text.length : start + Math.ceil((padding + 1 - start) / 4) * 4;
    const piece = text.slice(start, end);
    const decoded = Buffer.from(piece, "base64");
    // Node skips what is no base64.
    if (decoded.toString("base64") !== piece) return null;
    pieces.push(decoded);
    start = end;
  }
  return Buffer.concat(pieces);
}

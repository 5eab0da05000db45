/* oxlint-disable no-control-regex -- Control characters are what must not get into a header. */

/**
 * Text for a header's value (RFC 9110 section 5.5), one character per byte. Control
 * characters go, CR and LF above all, so that a variable which a client chose
 * cannot end the line and begin another; text beyond ASCII becomes UTF-8.
 */
export function cleanHeaderValue(value: string): string {
  if (!/[^\t\u0020-\u007e\u0080-\u00ff]/.test(value)) return value;
  const text = /[^\u0000-\u00ff]/.test(value) ? utf8Bytes(value) : value;
  return text.replaceAll(/[\u0000-\u0008\u000a-\u001f\u007f]/g, "");
}

/** Text (Unicode) as its UTF-8 bytes, one character each. */
export function utf8Bytes(text: string): string {
  return /[^\u0000-\u007f]/.test(text) ? Buffer.from(text).toString("latin1") : text;
}

/** Whether configured text may stand in a header: no control characters but the tab. */
export function isHeaderText(value: string): boolean {
  return !/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value);
}
/* oxlint-enable no-control-regex */

/** Whether a name is a token (RFC 9110 section 5.1). */
export function isHeaderName(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name);
}

/**
 * A configured name of a header of answers as it is sent: `X_Seen` becomes `X-Seen`, as APISIX (OpenResty)
 * writes it. Headers of requests, and those that nodes send, keep their names.
 */
export function answerHeaderName(name: string): string {
  return name.replaceAll("_", "-");
}

/** Headers that frame the message or belong to the connection: the gateway alone writes them. */
const owned = new Set([
  ..."connection content-length http2-settings keep-alive proxy-connection te trailer".split(" "),
  ..."transfer-encoding upgrade".split(" "),
]);

/** Whether the gateway alone decides on this header. */
export function isOwnedByGateway(name: string): boolean {
  return owned.has(name.toLowerCase());
}

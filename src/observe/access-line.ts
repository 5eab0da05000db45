import type { RequestContext } from "../plugin/context.ts";
import { parseTemplate } from "../plugin/template-parts.ts";
import { compileVariable, isTextVariable } from "../plugin/variables.ts";
import type { AccessLogSettings } from "../settings/settings.ts";
import type { LineBuffer } from "./line-buffer.ts";

type Escape = AccessLogSettings["escape"];

/** Appends something of a request to a log. */
export type LinePiece = (ctx: RequestContext, out: LineBuffer) => void;

/**
 * An access log format as nginx has it (`log_format name escape=… '…'`), compiled to
 * a function that appends one line. Lines are bytes, as the heads of requests are;
 * text of the configuration goes in as UTF-8.
 */
export function compileAccessLine(format: string, escape: Escape): LinePiece {
  const pieces = parseTemplate(spellOut(`${format}\n`), "nginx").map((part) =>
    part.name === null ? staticPiece(utf8Bytes(part.text)) : variablePiece(part.name, escape),
  );
  return (ctx, out) => {
    for (const piece of pieces) piece(ctx, out);
  };
}

/** The request line is the longest value of most formats; its parts need no joining. */
function spellOut(format: string): string {
  return format.replaceAll(/\$(?:request|request_line)\b|\$\{(?:request|request_line)\}/g, () => {
    return "${request_method} ${request_uri} ${server_protocol}";
  });
}

const staticPiece =
  (text: string): LinePiece =>
  (_, out) =>
    out.append(text);

/** Variables whose values the gateway makes itself, of characters that no escaping changes. */
const plain = new Set([
  ..."remote_addr remote_port realip_remote_addr server_addr server_port server_protocol server_name pid".split(" "),
  ..."realip_remote_port proxy_protocol_addr proxy_protocol_port proxy_protocol_server_addr".split(" "),
  ..."proxy_protocol_server_port http2 request_completion connection_time".split(" "),
  ..."connection connection_requests scheme request_length request_time request_id status".split(" "),
  ..."bytes_sent body_bytes_sent msec time_local time_iso8601 is_args https upstream_status".split(" "),
  ..."upstream_addr upstream_scheme upstream_connect_time upstream_header_time upstream_response_time".split(" "),
]);

function variablePiece(name: string, escape: Escape): LinePiece {
  const read = compileVariable(name);
  const missing = escape === "default" ? "-" : "";
  if (plain.has(name)) return (ctx, out) => out.append(read(ctx) ?? missing);
  const { special, clean } = escapes[escape];
  const isText = isTextVariable(name);
  return (ctx, out) => {
    const value = read(ctx);
    if (value === undefined) out.append(missing);
    else out.appendEscaped(isText ? utf8Bytes(value) : value, special, clean);
  };
}

interface Escaping {
  /** 1 for every byte that `clean` changes. */
  readonly special: Uint8Array;
  readonly clean: (value: string) => string;
}

/** `pattern` matches one character that `replace` stands in for. */
function escaping(pattern: RegExp, replace: (character: string) => string): Escaping {
  const special = Uint8Array.from({ length: 256 }, (_, code) =>
    String.fromCharCode(code).search(pattern) === 0 ? 1 : 0,
  );
  return { special, clean: (value) => asBytes(value).replaceAll(pattern, replace) };
}

/* oxlint-disable no-control-regex -- Control characters are what is escaped. */
const escapes: Readonly<Record<Escape, Escaping>> = {
  // nginx: `"`, `\`, and everything below 0x20 or above 0x7e as \xXX.
  default: escaping(/["\\\u0000-\u001f\u007f-\u00ff]/g, hexEscape),
  // nginx: `"`, `\` and what is below 0x20, as JSON has it (RFC 8259 section 7).
  json: escaping(/["\\\u0000-\u001f]/g, jsonEscape),
  none: escaping(/(?!)/g, (character) => character),
};

/** Text beyond latin1 (a plugin's value, say) as its UTF-8 bytes. */
function asBytes(value: string): string {
  return /[^\u0000-\u00ff]/.test(value) ? utf8Bytes(value) : value;
}

function utf8Bytes(text: string): string {
  return /[^\u0000-\u007f]/.test(text) ? Buffer.from(text).toString("latin1") : text;
}
/* oxlint-enable no-control-regex */

const hexDigits = (character: string, length: number): string =>
  character.charCodeAt(0).toString(16).toUpperCase().padStart(length, "0");

function hexEscape(character: string): string {
  return `\\x${hexDigits(character, 2)}`;
}

const short: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\b": "\\b",
  "\f": "\\f",
};

function jsonEscape(character: string): string {
  return short[character] ?? `\\u${hexDigits(character, 4)}`;
}

import type { RequestContext } from "../plugin/context.ts";
import { parseTemplate } from "../plugin/template-parts.ts";
import { compileVariable } from "../plugin/variables.ts";
import type { AccessLogSettings } from "../settings/settings.ts";

/**
 * An access log format as nginx has it (`log_format name escape=… '…'`), compiled to
 * a function that makes one line. A line holds one character per byte (latin1), as
 * the heads of requests do.
 */
export function compileAccessLine(
  format: string,
  escape: AccessLogSettings["escape"],
): (ctx: RequestContext) => string {
  const pieces = parseTemplate(format, "nginx").map((part) =>
    part.name === null ? utf8ToBytes(part.text) : compilePiece(part.name, escape),
  );
  const last = pieces.at(-1);
  if (typeof last === "string") pieces[pieces.length - 1] = `${last}\n`;
  else pieces.push("\n");
  return (ctx) => {
    let line = "";
    for (const piece of pieces) line += typeof piece === "string" ? piece : piece(ctx);
    return line;
  };
}

/** Variables whose values the gateway makes itself, of characters that no escaping changes. */
const plain = new Set([
  ..."remote_addr remote_port realip_remote_addr server_addr server_port server_protocol server_name pid".split(" "),
  ..."connection connection_requests scheme request_length request_time request_id status".split(" "),
  ..."bytes_sent body_bytes_sent msec time_local time_iso8601 is_args https upstream_status".split(" "),
  ..."upstream_connect_time upstream_header_time upstream_response_time".split(" "),
]);

/** Variables that hold text of the configuration (Unicode) instead of bytes from the wire. */
const unicode = new Set(["route_id", "route_name", "service_id", "service_name", "consumer_name", "consumer_group_id"]);

function compilePiece(name: string, escape: AccessLogSettings["escape"]): (ctx: RequestContext) => string {
  const read = compileVariable(name);
  const missing = escape === "default" ? "-" : "";
  if (plain.has(name)) return (ctx) => read(ctx) ?? missing;
  const clean = escapes[escape];
  if (!unicode.has(name)) {
    return (ctx) => {
      const value = read(ctx);
      return value === undefined ? missing : clean(value);
    };
  }
  return (ctx) => {
    const value = read(ctx);
    return value === undefined ? missing : clean(utf8ToBytes(value));
  };
}

/* oxlint-disable no-control-regex -- Control characters are what is escaped. */
const escapes: Readonly<Record<AccessLogSettings["escape"], (value: string) => string>> = {
  // nginx: `"`, `\`, and everything below 0x20 or above 0x7e as \xXX.
  default: (value) =>
    /["\\\u0000-\u001f\u007f-\uffff]/.test(value)
      ? bytes(value).replaceAll(/["\\\u0000-\u001f\u007f-\u00ff]/g, hex)
      : value,
  // nginx: `"`, `\` and what is below 0x20, as JSON has it (RFC 8259 section 7).
  json: (value) =>
    /["\\\u0000-\u001f\u0100-\uffff]/.test(value) ? bytes(value).replaceAll(/["\\\u0000-\u001f]/g, jsonEscape) : value,
  none: (value) => bytes(value),
};
/** Text that is not latin1 (a decoded argument, say) as its UTF-8 bytes. */
function bytes(value: string): string {
  return /[^\u0000-\u00ff]/.test(value) ? utf8ToBytes(value) : value;
}

function utf8ToBytes(text: string): string {
  return /[^\u0000-\u007f]/.test(text) ? Buffer.from(text).toString("latin1") : text;
}

function hex(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
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
  return short[character] ?? `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

import type { Message } from "./message.ts";

/** One point in which another reader did not agree with us about a message that we accept. */
export interface Disagreement {
  readonly reader: "llhttp" | "node:http";
  /** The whole stream. */
  readonly text: string;
  readonly ours: Message;
  /** `null`: the other reader refused it, or had no such message. */
  readonly theirs: Message | null;
  /** Messages that we read before it. */
  readonly before: readonly Message[];
  /** What differs; `refused` and `boundary` are about the message as a whole. */
  readonly aspect: keyof Message | "refused" | "boundary";
  /** Why the other reader refused; `""` where it did not. */
  readonly reason: string;
}

/** A class of disagreements that is known and harmless. */
export interface Difference {
  readonly name: string;
  /** What differs, and why it may. */
  readonly why: string;
  readonly explains: (found: Disagreement) => boolean;
}

/**
 * Every difference that may be. `docs/http-safety.md` quotes this table, a test compares
 * the two; whatever no row explains is a failure.
 */
export const differences: readonly Difference[] = [
  {
    name: "absolute-form",
    why: "We take the authority of an absolute-form target for the Host and go on with its path, as RFC 9112, section 3.2.2, asks of a gateway. The others hand the target over as it came. Nothing in absolute form is forwarded.",
    explains: ({ aspect, ours, theirs }) =>
      aspect === "target" && theirs !== null && originForm(theirs) === ours.target,
  },
  {
    name: "raw bytes in the target",
    why: "Bytes beyond ASCII in the target, which browsers of old and many scripts send, pass as they came, as in nginx. llhttp refuses them. No reader takes them for a blank or the end of a line.",
    explains: ({ aspect, reason, ours }) =>
      aspect === "refused" && reason.startsWith("Invalid char in url ") && /[\x80-\xff]/.test(ours.target),
  },
  {
    name: "methods",
    why: "Any token is a method for us (RFC 9110, section 9.1); llhttp refuses those that it does not list, and keeps PRI for HTTP/2.",
    explains: ({ aspect, reason }) =>
      aspect === "refused" &&
      /^(Invalid method encountered|Expected space after method|Expected HTTP\/2 Connection Preface|Invalid method for HTTP)/.test(
        reason,
      ),
  },
  {
    name: "dropped trailers",
    why: "Trailers that frame, route or authenticate a message are dropped (RFC 9110, section 6.5.1); the others hand them over.",
    explains: ({ aspect, ours, theirs }) => aspect === "trailers" && theirs !== null && onlyDropped(ours, theirs),
  },
  {
    name: "framing in trailers",
    why: "llhttp reads Content-Length and Transfer-Encoding of the trailer section as if they stood in the head: it refuses the message, closes the connection, or (node:http) waits for more. We drop them; they are never forwarded.",
    explains: (found) =>
      ((found.aspect === "refused" && /Transfer-Encoding|Content-Length/.test(found.reason)) ||
        (found.aspect === "boundary" && found.theirs === null && found.reader === "node:http") ||
        (found.aspect === "keepAlive" && found.ours.keepAlive)) &&
      framesInTrailers(found),
  },
  {
    name: "tab beside an option of Connection",
    why: "A tab is white space for us (RFC 9110, section 5.6.3), a part of the option for llhttp, which does not see the option then. The other side is told by our own Connection field whether the connection stays; where only we see `close`, it ends.",
    explains: ({ aspect, reason, text }) =>
      (aspect === "keepAlive" || (aspect === "refused" && reason === DATA_AFTER_CLOSE)) &&
      /^connection:[^\n]*\t/im.test(text),
  },
  {
    name: "close beside keep-alive",
    why: "`close` wins for us in HTTP/1.0 too (RFC 9112, section 9.3): the connection ends where llhttp would keep it.",
    explains: ({ aspect, ours }) =>
      aspect === "keepAlive" && !ours.keepAlive && ours.minor === 0 && /close/i.test(valuesOf(ours, "connection")),
  },
  {
    name: "204 that announces a body",
    why: "A connection on which a 204 came with a length or a coding is not used again: should the origin send that body after all, it would be read as the next response.",
    explains: ({ aspect, ours }) =>
      aspect === "keepAlive" && !ours.keepAlive && ours.status === 204 && framingOf(ours) !== "",
  },
  {
    name: "chunk extensions",
    why: "We bound extensions, refuse control bytes and bytes beyond ASCII in them, and drop them unread; llhttp parses them and refuses what does not parse. None is forwarded.",
    explains: ({ aspect, reason }) => aspect === "refused" && /chunk extension/.test(reason),
  },
  {
    name: "interim response that closes",
    why: "Whether the connection stays is told by the final response; llhttp expects nothing after an interim one of HTTP/1.0 or with `Connection: close`.",
    explains: ({ aspect, reason, before }) =>
      aspect === "refused" &&
      reason === DATA_AFTER_CLOSE &&
      before.some(
        (interim) => interim.status < 200 && (interim.minor === 0 || /close/i.test(valuesOf(interim, "connection"))),
      ),
  },
  {
    name: "pipelined after an upgrade",
    why: "A node:http server that takes no upgrades answers the request as if it asked for none, and then loses the requests that came in the same packet behind it. A gateway in front of it never sends a request before the answer to the one before.",
    explains: ({ reader, aspect, theirs, before }) =>
      reader === "node:http" &&
      aspect === "boundary" &&
      theirs === null &&
      before.some((request) => request.method !== "" && valuesOf(request, "upgrade") !== ""),
  },
];

const DATA_AFTER_CLOSE = "Data after `Connection: close`";

/** What an absolute-form target becomes (RFC 9112, sections 3.2.2 and 3.2.4). */
function originForm({ method, target }: Message): string {
  const match = /^https?:\/\/[^/?]*(.*)$/i.exec(target);
  const rest = match?.[1] ?? target;
  if (rest === "" && method === "OPTIONS") return "*";
  return rest.startsWith("/") ? rest : `/${rest}`;
}

const MAY_BE_DROPPED = new Set([
  "content-length",
  "transfer-encoding",
  "host",
  "cookie",
  "trailer",
  "connection",
  "te",
]);

/** Whether we miss nothing but fields that may not be trailers. */
function onlyDropped(ours: Message, theirs: Message): boolean {
  const kept = theirs.trailers.filter(([name]) => !MAY_BE_DROPPED.has(name.toLowerCase()));
  return JSON.stringify(kept) === JSON.stringify(ours.trailers);
}

/** The stream has more framing lines than the heads that we read, and ours ends with trailers. */
function framesInTrailers({ text, ours, before }: Disagreement): boolean {
  if (!/chunked/i.test(framingOf(ours)) && !before.some((message) => /chunked/i.test(framingOf(message)))) return false;
  return /\r\n0+(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*(?:content-length|transfer-encoding):/i.test(text);
}

function framingOf(message: Message): string {
  return valuesOf(message, "content-length") + valuesOf(message, "transfer-encoding");
}

function valuesOf({ fields }: Message, lower: string): string {
  return fields
    .filter(([name]) => name.toLowerCase() === lower)
    .map(([, value]) => value)
    .join(", ");
}

import type { Message } from "./message.ts";

/** What an origin must get for a request that was accepted, and a client for a response. */

const NOT_FORWARDED = new Set([
  "connection",
  "content-length",
  "expect",
  "forwarded",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
]);

const NOT_RETURNED = new Set([
  "connection",
  "content-length",
  "content-type",
  "date",
  "keep-alive",
  "proxy-connection",
  "server",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-apisix-upstream-status",
]);

/** A Connection option of a response cannot take these away. */
const PROTECTED = new Set(["set-cookie", "location"]);

type Fields = Message["fields"];

/** The fields that pass through the gateway untouched. */
function endToEnd(message: Message, own: ReadonlySet<string>, kept: ReadonlySet<string>): Fields {
  const listed = new Set<string>();
  for (const [name, value] of message.fields) {
    if (name.toLowerCase() === "connection") for (const option of value.split(",")) listed.add(blankless(option));
  }
  return message.fields.filter(([name]) => {
    const lower = name.toLowerCase();
    return !own.has(lower) && (!listed.has(lower) || kept.has(lower));
  });
}

function blankless(option: string): string {
  return option.replace(/^[ \t]+|[ \t]+$/g, "").toLowerCase();
}

/** What is wrong with the request that arrived for the one that was sent; `null`: nothing. */
export function requestFault(sent: Message, arrived: Message): string | null {
  if (arrived.method !== sent.method) return "another method";
  if (arrived.target !== sent.target) return "another target";
  if (arrived.body !== sent.body) return "another body";
  if (arrived.minor !== 1) return "another version";
  if (!sameFields(endToEnd(sent, NOT_FORWARDED, new Set()), endToEnd(arrived, NOT_FORWARDED, new Set()))) {
    return "other fields";
  }
  for (const name of ["host", "x-real-ip", "x-forwarded-for"]) {
    if (valuesOf(arrived, name).length !== 1) return `not one ${name}`;
  }
  const framings = valuesOf(arrived, "content-length").length + valuesOf(arrived, "transfer-encoding").length;
  if (framings > 1) return "two framings";
  return null;
}

/** What is wrong with the response that the client got for the one that the origin sent; `null`: nothing. */
export function responseFault(sent: Message, got: Message): string | null {
  if (got.status !== sent.status) return "another status";
  if (got.body !== sent.body) return "another body";
  const expected = endToEnd(sent, NOT_RETURNED, PROTECTED);
  return sameFields(expected, endToEnd(got, NOT_RETURNED, PROTECTED)) ? null : "other fields";
}

function sameFields(a: Fields, b: Fields): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function valuesOf({ fields }: Message, lower: string): string[] {
  return fields.filter(([name]) => name.toLowerCase() === lower).map(([, value]) => value);
}

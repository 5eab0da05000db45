import type { ErrorCode } from "../../lib/errors.ts";

/**
 * Requests that two parsers could read in two ways, with the expected refusal. `body`:
 * the head is fine, the body is refused as it is read.
 */
export interface SmugglingCase {
  readonly name: string;
  readonly bytes: string;
  readonly code: ErrorCode | "body";
}

const cases: SmugglingCase[] = [];

function refuse(name: string, fields: string, code: ErrorCode | "body" = "DOWNSTREAM_MALFORMED", body = ""): void {
  cases.push({ name, bytes: `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`, code });
}

function refuseAll(name: string, values: readonly string[], code: ErrorCode | "body" = "DOWNSTREAM_MALFORMED"): void {
  for (const value of values) refuse(`${name}: ${JSON.stringify(value)}`, value, code);
}

function refuseRaw(name: string, bytes: string, code: ErrorCode = "DOWNSTREAM_MALFORMED"): void {
  cases.push({ name: `${name}: ${JSON.stringify(bytes.slice(0, 60))}`, bytes, code });
}

// CL.TE, TE.CL: both framings at once, in each order.
refuse("CL.TE", "Content-Length: 6\r\nTransfer-Encoding: chunked", undefined, "0\r\n\r\nG");
refuse("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 3", undefined, "8\r\nSMUGGLED\r\n0\r\n\r\n");
refuse("CL.0 with TE", "Content-Length: 0\r\nTransfer-Encoding: chunked");

// Content-Length.
refuseAll("Content-Length", [
  "Content-Length: +5",
  "Content-Length: -5",
  "Content-Length: 5,5",
  "Content-Length: 5, 5",
  "Content-Length: 5 5",
  "Content-Length: 0x5",
  "Content-Length: 5e0",
  "Content-Length: 5.0",
  "Content-Length: ",
  "Content-Length:",
  "Content-Length: 5;a=b",
  'Content-Length: "5"',
  "Content-Length: ٥",
  "Content-Length: 99999999999999999999",
  "Content-Length: 9007199254740993",
  "Content-Length: 5\r\nContent-Length: 5",
  "Content-Length: 5\r\nContent-Length: 6",
  "Content-Length: 5\r\ncontent-length: 0",
  "Content-Length: 5\r\nX: y\r\nCONTENT-LENGTH: 5",
  "Content-Length : 5",
  "Content-Length\t: 5",
  " Content-Length: 5",
  "\tContent-Length: 5",
  "Content-Length:\t5",
  "Content-Length: 5\t",
  "Content-Length: \t 5 ",
  "Content-Length: 5\x0b",
  "Content-Length: \x0c5",
  "Content-Length: 5\0",
  "Content-Length\0: 5",
  "Content-Length: 5\n\tContent-Length: 6",
  "Content-Length: 5\r\n 6",
  "Content-Length:\r\n 5",
  "Content Length: 5",
  "\xa0Content-Length: 5",
  "Content-Length\xa0: 5",
  "Content-Length: \xa05",
]);

// Transfer-Encoding.
refuseAll("Transfer-Encoding", [
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
  "Transfer-Encoding : chunked",
  "Transfer-Encoding\t: chunked",
  " Transfer-Encoding: chunked",
  "\tTransfer-Encoding: chunked",
  "Transfer-Encoding: chunked\r\n , identity",
  "Transfer-Encoding:\tchunked",
  "Transfer-Encoding: chunked\t",
  "Transfer-Encoding: chunked \t ",
  "Transfer-Encoding: chunked\0",
  "Transfer-Encoding\0: chunked",
  "Transfer-Encoding: \x0bchunked",
  "Transfer-Encoding: chunked\x0c",
  "Transfer-Encoding\n: chunked",
  "X: y\nTransfer-Encoding: chunked",
  "X: y\rTransfer-Encoding: chunked",
  "X: y\r\r\nTransfer-Encoding: chunked",
  "X: y\n\nGET / HTTP/1.1",
  "Transfer\xadEncoding: chunked",
  "Transfer Encoding: chunked",
  ": Transfer-Encoding: chunked",
  "Transfer-Encoding",
  "Transfer-Encoding chunked",
  "Transfer-Encoding: chunked\r",
]);
refuseAll(
  "transfer coding",
  [
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: 'chunked'",
    'Transfer-Encoding: "chunked"',
    "Transfer-Encoding: chun ked",
    "Transfer-Encoding: ",
    "Transfer-Encoding: [chunked]",
    "Transfer-Encoding: chunked \xa0",
    "Transfer-Encoding: chunKed\x80",
    "Transfer-Encoding: cow",
    "Transfer-Encoding:\r\n chunked",
  ],
  "DOWNSTREAM_NOT_IMPLEMENTED",
);

// Host.
refuseAll("Host", ["Host: b", "host: a", "Host : a", "Host:"]);
for (const host of [
  "",
  " ",
  "a b",
  "a,b",
  "a/b",
  "a@b",
  "a..b",
  "a:b",
  "a:8o",
  "[::1",
  "::1",
  "a\tb",
  "a\\b",
  "a#",
  "a?",
  "<a>",
  "ä",
  "a:1:2",
  "[a b]",
]) {
  refuseRaw("invalid Host", `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
}
refuseRaw("no Host", "GET / HTTP/1.1\r\n\r\n");
refuseRaw("no Host beside an absolute target", "GET http://a/ HTTP/1.1\r\n\r\n");
refuseRaw("Transfer-Encoding in 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");

// The request line.
for (const line of [
  "GET / HTTP/1.1 ",
  "GET  / HTTP/1.1",
  "GET /  HTTP/1.1",
  " GET / HTTP/1.1",
  "GET\t/ HTTP/1.1",
  "GET /\tHTTP/1.1",
  "GET / HTTP/1.1\t",
  "GET / http/1.1",
  "GET / HTTP/1,1",
  "GET / HTTP/1.",
  "GET / HTTP/.1",
  "GET / HTTP/11",
  "GET / HTTP/1.1x",
  "GET / HTTP/01.1",
  "GET / HTTPS/1.1",
  "GET /",
  "GET",
  "/ HTTP/1.1",
  "GET HTTP/1.1",
  "G@T / HTTP/1.1",
  "GET: / HTTP/1.1",
  "GET / a HTTP/1.1",
  "GET /\0 HTTP/1.1",
  "GET /\x7f HTTP/1.1",
  "GET /#f HTTP/1.1",
  "GET a HTTP/1.1",
  "GET ?a HTTP/1.1",
  "GET \\a HTTP/1.1",
  "GET //\x01 HTTP/1.1",
  "GET /%00 HTTP/1.1",
  "GET /%zz HTTP/1.1",
  "GET /% HTTP/1.1",
  "GET /%2 HTTP/1.1",
  "GET /.. HTTP/1.1",
  "GET /a/../.. HTTP/1.1",
  "GET /%2e%2e/ HTTP/1.1",
  "GET http:/a HTTP/1.1",
  "GET http:///a HTTP/1.1",
  "GET http://a@b/ HTTP/1.1",
  "GET http://a b/ HTTP/1.1",
  "\x16\x03\x01\x02\x00 / HTTP/1.1",
]) {
  refuseRaw("request line", `${line}\r\nHost: a\r\n\r\n`);
}
for (const version of ["0.9", "1.2", "1.9", "2.0", "3.0", "9.9"]) {
  refuseRaw("version", `GET / HTTP/${version}\r\nHost: a\r\n\r\n`, "DOWNSTREAM_VERSION");
}
refuseRaw("method of the HTTP/2 preface", "PRI /a HTTP/1.1\r\nHost: a\r\n\r\n", "DOWNSTREAM_MALFORMED");
refuseRaw("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "DOWNSTREAM_VERSION");
refuseRaw("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "DOWNSTREAM_NOT_IMPLEMENTED");

// Line ends.
refuseRaw("bare LF", "GET / HTTP/1.1\nHost: a\n\n");
refuseRaw("bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n");
refuseRaw("bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n");
refuseRaw("bare LF after a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n");
refuseRaw("bare CR after a field", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n");
refuseRaw("bare CR at the end", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n");
refuseRaw("CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n");
refuseRaw("obs-fold first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n");
refuseRaw("empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n");
refuseRaw("line without colon", "GET / HTTP/1.1\r\nHost: a\r\nabc\r\n\r\n");

// Chunked bodies.
for (const body of [
  "+5\r\nhello\r\n0\r\n\r\n",
  "-1\r\n\r\n",
  "0x5\r\nhello\r\n0\r\n\r\n",
  "5 \r\nhello\r\n0\r\n\r\n",
  " 5\r\nhello\r\n0\r\n\r\n",
  "5\t;a\r\nhello\r\n0\r\n\r\n",
  "\r\n5\r\nhello\r\n0\r\n\r\n",
  "5\nhello\n0\n\n",
  "5\r\nhello\n0\r\n\r\n",
  "5\r\nhelloX\r\n0\r\n\r\n",
  "5\r\nhello0\r\n\r\n",
  "5\r\nhell\r\n0\r\n\r\n",
  "5;a\nhello\r\n0\r\n\r\n",
  "5;a\rb\r\nhello\r\n0\r\n\r\n",
  "5;a\0\r\nhello\r\n0\r\n\r\n",
  "5;\xff\r\nhello\r\n0\r\n\r\n",
  `5;${"a".repeat(300)}\r\nhello\r\n0\r\n\r\n`,
  "5\rhello\r\n0\r\n\r\n",
  "g\r\n",
  ";a\r\n",
  "5,\r\nhello\r\n0\r\n\r\n",
  "5.0\r\nhello\r\n0\r\n\r\n",
  "FFFFFFFFFFFFFFFF\r\n",
  "10000000000000005\r\nhello\r\n0\r\n\r\n",
  `${"0".repeat(20)}5\r\nhello\r\n0\r\n\r\n`,
  "0\r\n \r\n\r\n",
  "0\r\nX y: 1\r\n\r\n",
  "0\r\nX : 1\r\n\r\n",
  "0\r\n: 1\r\n\r\n",
  "0\r\nX\r\n\r\n",
  "0\r\nX: 1\n\r\n",
  "0\r\nX: 1\r\r\n\r\n",
  "0\r\nX: \0\r\n\r\n",
  "0\r\n folded: 1\r\n\r\n",
  `0\r\nX: ${"a".repeat(9000)}\r\n\r\n`,
  "0\nGET / HTTP/1.1\r\n\r\n",
  "0\r\rG\r\n",
]) {
  refuse(`chunked body ${JSON.stringify(body.slice(0, 40))}`, "Transfer-Encoding: chunked", "body", body);
}

/** The corpus. */
export const smugglingCases: readonly SmugglingCase[] = cases;

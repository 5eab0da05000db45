/**
 * Requests that look like smuggling and can be read in one way only: how many there are,
 * and exactly what the origin gets.
 */
export interface TrickyRequest {
  readonly name: string;
  readonly bytes: string;
  /** What reaches the origin: each request by its first line, its own lines, its body. */
  readonly forwarded: readonly Forwarded[];
  /** Statuses of the answers. */
  readonly statuses: readonly number[];
}

/** A request as the origin gets it; Host is `a:80` where nothing else is said. */
export interface Forwarded {
  readonly line: string;
  readonly host?: string;
  readonly framing?: string;
  /** The lines that pass through. */
  readonly lines?: string;
  readonly body?: string;
}

/** The bytes that the origin gets. */
export function forwardedBytes({ line, host = "a:80", lines = "", framing = "", body = "" }: Forwarded): string {
  const port = /:(\d+)$/.exec(host)?.[1] ?? "";
  return (
    `${line} HTTP/1.1\r\nHost: ${host}\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\n${framing}${lines}` +
    `X-Forwarded-Proto: http\r\nX-Forwarded-Host: ${host}\r\nX-Forwarded-Port: ${port}\r\n\r\n${body}`
  );
}

const cases: TrickyRequest[] = [];

function one(name: string, bytes: string, forwarded: Forwarded, then: readonly number[] = []): void {
  cases.push({ name, bytes, forwarded: [forwarded], statuses: [200, ...then] });
}

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n";
const length = (body: string): string => `Content-Length: ${body.length}\r\n`;

/** A GET with these lines, of which these pass through. */
function lines(name: string, sent: string, passed: string): void {
  one(name, `GET / HTTP/1.1\r\nHost: a:80\r\n${sent}\r\n`, { line: "GET /", lines: passed });
}

/** A POST with these lines and body, of which the origin gets this body with its length. */
function posts(name: string, sent: string, body: string, data: string): void {
  const bytes = `POST / HTTP/1.1\r\nHost: a:80\r\n${sent}\r\n${body}`;
  one(name, bytes, { line: "POST /", framing: length(data), body: data });
}

// A body is a body, whatever it looks like and whatever the method is.
posts("a request in a body with a length", length(smuggled), smuggled, smuggled);
posts(
  "a request in a chunk",
  "Transfer-Encoding: chunked\r\n",
  `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
  smuggled,
);
posts("a last chunk in a body with a length", "Content-Length: 5\r\n", "0\r\n\r\n", "0\r\n\r\n");
posts("zeros before a length", "Content-Length: 0005\r\n", "hello", "hello");
posts("blanks around a length", "Content-Length:   5  \r\n", "hello", "hello");
posts("a length in another case", "cOnTeNt-LeNgTh: 5\r\n", "hello", "hello");
posts("a length without a blank", "Content-Length:5\r\n", "hello", "hello");
posts("a coding in another case", "tRANSFER-eNCODING: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n", "hello");
posts("blanks around a coding", "Transfer-Encoding:  chunked  \r\n", "5\r\nhello\r\n0\r\n\r\n", "hello");
posts("zeros before a chunk size", "Transfer-Encoding: chunked\r\n", "00000005\r\nhello\r\n000\r\n\r\n", "hello");
posts(
  "chunk sizes in either case",
  "Transfer-Encoding: chunked\r\n",
  "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
  "01234567890123456789",
);
posts("chunk extensions", "Transfer-Encoding: chunked\r\n", '5;a=b;c="d;e"\r\nhello\r\n0;last\r\n\r\n', "hello");
posts(
  "forged trailers",
  "Transfer-Encoding: chunked\r\n",
  "5\r\nhello\r\n0\r\nContent-Length: 9\r\nHost: evil\r\n\r\n",
  "hello",
);
one("CL.0 with GET", `GET / HTTP/1.1\r\nHost: a:80\r\n${length(smuggled)}\r\n${smuggled}`, {
  line: "GET /",
  framing: length(smuggled),
  body: smuggled,
});
one("CL.0 with HEAD", `HEAD / HTTP/1.1\r\nHost: a:80\r\nContent-Length: 2\r\n\r\n\r\n`, {
  line: "HEAD /",
  framing: "Content-Length: 2\r\n",
  body: "\r\n",
});
one("CL.0 with OPTIONS", `OPTIONS / HTTP/1.1\r\nHost: a:80\r\nContent-Length: 1\r\n\r\nG`, {
  line: "OPTIONS /",
  framing: "Content-Length: 1\r\n",
  body: "G",
});

// Connection takes away neither the framing nor what the gateway says itself.
for (const field of ["Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"]) {
  lines(`Connection: ${field}`, `Connection: ${field}\r\nX-A: 1\r\n`, "X-A: 1\r\n");
}
posts("Connection: Content-Length", "Connection: Content-Length\r\nContent-Length: 5\r\n", "hello", "hello");
posts(
  "Connection: Transfer-Encoding",
  "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
  "5\r\nhello\r\n0\r\n\r\n",
  "hello",
);
lines("Connection: close, X-Hop", "Connection: X-Hop\r\nX-Hop: 1\r\nX-A: 1\r\n", "X-A: 1\r\n");
one("bytes after Connection: close", `GET / HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n${smuggled}`, {
  line: "GET /",
});
one("bytes after a request of HTTP/1.0", `GET / HTTP/1.0\r\nHost: a:80\r\n\r\n${smuggled}`, { line: "GET /" });
one(
  "close beside keep-alive in HTTP/1.0",
  `GET / HTTP/1.0\r\nHost: a:80\r\nConnection: keep-alive, close\r\n\r\n${smuggled}`,
  { line: "GET /" },
);

// For one hop, or the gateway's to say.
lines("upgrade to h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", "");
lines("upgrade hidden in a list", "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n", "");
lines("Upgrade that Connection does not name", "Upgrade: h2c\r\n", "");
lines("TE, Keep-Alive, Proxy-Connection", "TE: trailers\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\n", "");
lines("an unknown expectation", "Expect: 100-continue-evil\r\n", "");
lines("forged Forwarded", "Forwarded: for=1.2.3.4;host=evil\r\n", "");
lines("forged X-Consumer-*", "X-Consumer-Username: root\r\nx-consumer-any: 1\r\nX-Credential-Identifier: 1\r\n", "");

// Targets and Hosts.
one("a target in absolute form beside another Host", "GET http://a:80/x HTTP/1.1\r\nHost: evil\r\n\r\n", {
  line: "GET /x",
});
one("a target in absolute form without a path", "GET http://a:80?q HTTP/1.1\r\nHost: a\r\n\r\n", { line: "GET /?q" });
one("OPTIONS in absolute form", "OPTIONS http://a:80 HTTP/1.1\r\nHost: a\r\n\r\n", { line: "OPTIONS *" });
one("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a:80\r\n\r\n", { line: "OPTIONS *" });
one("a path with dots", "GET /a/../b/%2e/c HTTP/1.1\r\nHost: a:80\r\n\r\n", { line: "GET /a/../b/%2e/c" });
one("a path with an encoded line end", "GET /%0d%0aX:%20y HTTP/1.1\r\nHost: a:80\r\n\r\n", {
  line: "GET /%0d%0aX:%20y",
});
one("a URL in the path", "GET /http://evil/ HTTP/1.1\r\nHost: a:80\r\n\r\n", { line: "GET /http://evil/" });
one("a Host in brackets", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", { line: "GET /", host: "[::1]:80" });
one("an empty line before the request", "\r\nGET / HTTP/1.1\r\nHost: a:80\r\n\r\n", { line: "GET /" });

// Fields that frame nothing.
lines(
  "names that resemble framing",
  "Content-Lengthx: 5\r\nX-Transfer-Encoding: chunked\r\n",
  "Content-Lengthx: 5\r\nX-Transfer-Encoding: chunked\r\n",
);
lines("an empty value", "X-A:\r\nX-B: \r\n", "X-A:\r\nX-B: \r\n");
lines("blanks and tabs around a value", "X-A: \t 1 \t\r\n", "X-A: 1\r\n");
lines("bytes beyond ASCII", "X-A: \xa0\xff\xa0\r\n", "X-A: \xa0\xff\xa0\r\n");
lines(
  "repeated fields",
  "Cookie: a=1\r\nX-A: 1\r\ncookie: b=2\r\nX-A: 2\r\n",
  "Cookie: a=1\r\nX-A: 1\r\ncookie: b=2\r\nX-A: 2\r\n",
);

// Several requests, one after the other.
cases.push({
  name: "a request behind a body with a length",
  bytes: `POST /1 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a:80\r\n\r\n`,
  forwarded: [{ line: "POST /1", framing: "Content-Length: 5\r\n", body: "hello" }, { line: "GET /2" }],
  statuses: [200, 200],
});
cases.push({
  name: "a request behind a last chunk",
  bytes:
    "POST /1 HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a:80\r\n\r\n",
  forwarded: [{ line: "POST /1", framing: "Content-Length: 0\r\n" }, { line: "GET /2" }],
  statuses: [200, 200],
});
one(
  "a refused request behind a good one",
  "GET / HTTP/1.1\r\nHost: a:80\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
  { line: "GET /" },
  [400],
);
one(
  "a line too many behind a body",
  "POST / HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhelloX\r\n\r\n",
  { line: "POST /", framing: "Content-Length: 5\r\n", body: "hello" },
  [400],
);

/** The corpus. */
export const trickyRequests: readonly TrickyRequest[] = cases;

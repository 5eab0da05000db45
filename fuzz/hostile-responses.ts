/**
 * Responses by which a hostile or broken origin tries to be read in two ways, or to answer
 * more than it was asked.
 */
export interface HostileResponse {
  readonly name: string;
  readonly bytes: string;
  /** The body that the client gets; `502`; or `cut`: an answer that visibly breaks off. */
  readonly outcome: { readonly status: number; readonly body: string } | 502 | "cut";
  /** Whether the connection may carry the next request; otherwise it must not. */
  readonly reused: boolean;
  readonly toHead?: boolean;
  /** The origin closes after these bytes. */
  readonly ends?: boolean;
}

const cases: HostileResponse[] = [];

const clip = (text: string): string => JSON.stringify(text.slice(0, 70));

/** The head alone decides: 502. */
function refuseHead(name: string, heads: readonly string[]): void {
  for (const head of heads) {
    cases.push({ name: `${name}: ${clip(head)}`, bytes: head, outcome: 502, reused: false });
  }
}

function refuseFields(name: string, fields: readonly string[]): void {
  refuseHead(
    name,
    fields.map((field) => `HTTP/1.1 200 OK\r\n${field}\r\n\r\nhello`),
  );
}

function pass(name: string, bytes: string, body: string, more: Partial<HostileResponse> = {}): void {
  const status = Number(/^(?:HTTP\/1\.1 1\d\d[^]*?\r\n\r\n)*HTTP\/1\.. (\d+)/.exec(bytes)![1]);
  cases.push({ name, bytes, outcome: { status, body }, reused: true, ...more });
}

refuseHead("status line", [
  "HTTP/1.1 20 OK\r\n\r\n",
  "HTTP/1.1 2000 OK\r\n\r\n",
  "HTTP/1.1 099 OK\r\n\r\n",
  "HTTP/1.1 +20 OK\r\n\r\n",
  "HTTP/1.1 abc OK\r\n\r\n",
  "HTTP/1.1 200OK\r\n\r\n",
  "HTTP/1.1  200 OK\r\n\r\n",
  "HTTP/1.1\t200 OK\r\n\r\n",
  "HTTP/1.1\r\n\r\n",
  "HTTP/1.2 200 OK\r\n\r\n",
  "HTTP/2 200\r\n\r\n",
  "HTTP/2.0 200 OK\r\n\r\n",
  "http/1.1 200 OK\r\n\r\n",
  " HTTP/1.1 200 OK\r\n\r\n",
  "\r\nHTTP/1.1 200 OK\r\n\r\n",
  "ICY 200 OK\r\n\r\n",
  "<html>hello</html>",
  "SSH-2.0-OpenSSH_9.2\r\n",
  "HTTP/1.1 200 O\0K\r\n\r\n",
  "HTTP/1.1 200 O\x7fK\r\n\r\n",
  "HTTP/1.1 200 O\rK\r\n\r\n",
]);
refuseHead("line ends", [
  "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
  "HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\nhello",
  "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nX: a\n\rContent-Length: 5\r\n\r\nhello",
]);
refuseFields("field", [
  "X: a\r\n folded",
  "X: a\r\n\tfolded",
  " X: a",
  "X : a",
  "X\t: a",
  ": a",
  "X",
  "X: a\0",
  "X: \x01",
  "X: \x7f",
  "X\0: a",
  "X Y: a",
  "X(: a",
  "\xe9: a",
  `X: ${"a".repeat(5_000)}`,
  "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(120).slice(0, -2),
]);
refuseFields("length", [
  "Content-Length: +5",
  "Content-Length: -5",
  "Content-Length: 5, 5",
  "Content-Length: 5,6",
  "Content-Length: 0x5",
  "Content-Length: 5 5",
  "Content-Length:",
  "Content-Length: 5\t",
  "Content-Length:\t5",
  "Content-Length: 5\r\nContent-Length: 5",
  "Content-Length: 5\r\nContent-Length: 6",
  "Content-Length: 99999999999999999999",
  "Content-Length : 5",
  "Content-Length: 5\x0b",
  "Content-Length: 5\r\n 0",
]);
refuseFields("coding", [
  "Content-Length: 5\r\nTransfer-Encoding: chunked",
  "Transfer-Encoding: chunked\r\nContent-Length: 5",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
  "Transfer-Encoding: identity",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: chunked\t",
  "Transfer-Encoding: \x0bchunked",
  'Transfer-Encoding: "chunked"',
  "Transfer-Encoding: chunked;q=1",
  "Transfer-Encoding:",
  "Transfer-Encoding : chunked",
]);
refuseHead("coding in HTTP/1.0", ["HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]);

for (const body of [
  "+5\r\nhello\r\n0\r\n\r\n",
  "0x5\r\nhello\r\n0\r\n\r\n",
  "5 \r\nhello\r\n0\r\n\r\n",
  "5\nhello\n0\n\n",
  "5\r\nhelloX\r\n0\r\n\r\n",
  "5\r\nhello\n0\r\n\r\n",
  "5;a\nb\r\nhello\r\n0\r\n\r\n",
  "5;\0\r\nhello\r\n0\r\n\r\n",
  `5;${"a".repeat(300)}\r\nhello\r\n0\r\n\r\n`,
  "FFFFFFFFFFFFFFFF\r\nhello",
  "g\r\n",
  "\r\n5\r\nhello\r\n0\r\n\r\n",
  "0\r\nX y: 1\r\n\r\n",
  "0\r\n folded: 1\r\n\r\n",
  `0\r\nX: ${"a".repeat(9_000)}\r\n\r\n`,
]) {
  const bytes = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
  cases.push({ name: `chunks: ${clip(body)}`, bytes, outcome: 502, reused: false });
}

const cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
cases.push({ name: "ends before its length", bytes: cut, outcome: "cut", reused: false, ends: true });
cases.push({
  name: "ends before its last chunk",
  bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
  outcome: "cut",
  reused: false,
  ends: true,
});
cases.push({ name: "ends in its head", bytes: "HTTP/1.1 200 OK\r\nX: a", outcome: 502, reused: false, ends: true });
cases.push({ name: "says nothing", bytes: "", outcome: 502, reused: false, ends: true });

// More than was asked: the answer is taken, the connection is not.
const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
pass("two responses", ok + evil, "ok", { reused: false });
pass("a byte too many", `${ok}!`, "ok", { reused: false });
pass("an empty line too many", `${ok}\r\n`, "ok", { reused: false });
pass("bytes after the last chunk", `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${evil}`, "", {
  reused: false,
});
pass("204 with a body", `HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil`, "", { reused: false });
pass("204 that announces a body", `HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n`, "", { reused: false });
pass("204 in chunks", `HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n`, "", { reused: false });
pass("304 with a body", `HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil`, "", { reused: false });
pass("304 with another response behind it", `HTTP/1.1 304 Not Modified\r\n\r\n${evil}`, "", { reused: false });
pass("HEAD with a body", ok, "", { toHead: true, reused: false });
pass("HEAD with chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", {
  toHead: true,
  reused: false,
});
pass("Connection: close", `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok`, "ok", {
  reused: false,
});
pass("Connection: x, CLOSE", `HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 2\r\n\r\nok`, "ok", {
  reused: false,
});
pass("HTTP/1.0", `HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok`, "ok", { reused: false });
pass("until the end", `HTTP/1.1 200 OK\r\n\r\n${evil}`, evil, { reused: false, ends: true });

// Interim responses.
refuseHead("101 that nobody asked for", [
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
]);
refuseHead("interim response with a body", [
  `HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\n${ok}`,
  `HTTP/1.1 199 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${ok}`,
  `HTTP/1.1 100 Continue\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n${ok}`,
]);
refuseHead("flood of interim responses", [`${"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17)}${ok}`]);
refuseHead("interim response, then no response", [`HTTP/1.1 103 Early Hints\r\n\r\nevil\r\n`]);
pass("16 interim responses", `${"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(16)}${ok}`, "ok");
pass("100 that nobody waits for", `HTTP/1.1 100 Continue\r\n\r\n${ok}`, "ok");

// What is well-formed, if unusual.
pass("plain", ok, "ok");
pass("no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok");
pass("zeros before the length", "HTTP/1.1 200 OK\r\nContent-Length: 0002\r\n\r\nok", "ok");
pass("204", "HTTP/1.1 204 No Content\r\n\r\n", "");
pass("304 with the length of what was not sent", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", "");
pass("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "", { toHead: true });
pass("keep-alive in HTTP/1.0", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok");
pass(
  "chunks with extensions and a forged trailer",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n02;a=b\r\nok\r\n0\r\nContent-Length: 99\r\nSet-Cookie: evil=1\r\n\r\n",
  "ok",
);
pass("a message in the body", `HTTP/1.1 200 OK\r\nContent-Length: ${evil.length}\r\n\r\n${evil}`, evil);
pass(
  "Connection that lists framing",
  "HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\nok",
  "ok",
);

/** The corpus. */
export const hostileResponses: readonly HostileResponse[] = cases;

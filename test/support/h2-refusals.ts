import { fieldBlock, flags, frame, get, headers, types, uint32 } from "./h2-frames.ts";

/** What a server must refuse by sections 3 to 8 of RFC 9113, and how. */
export interface Refused {
  readonly section: string;
  readonly what: string;
  /** Sent after the preface and an empty SETTINGS. */
  readonly send: readonly Uint8Array[];
  /** Answers that the section allows. */
  readonly expected: readonly string[];
}

const PROTOCOL = "GOAWAY PROTOCOL_ERROR";
const SIZE = "GOAWAY FRAME_SIZE_ERROR";
const STREAM_PROTOCOL = "RST_STREAM PROTOCOL_ERROR";

const row = (section: string, what: string, send: readonly Uint8Array[], ...expected: string[]): Refused => ({
  section,
  what,
  send,
  expected,
});

const setting = (id: number, value: number): Buffer =>
  frame(types.settings, 0, Buffer.concat([Buffer.from([0, id]), uint32(value)]));
const fields = (...more: readonly (readonly [string, string])[]): Buffer => headers(1, [...get, ...more]);
const without = (name: string): Buffer =>
  headers(
    1,
    get.filter(([other]) => other !== name),
  );
const withAuthority = (authority: string): Buffer =>
  headers(
    1,
    get.map(([name, value]) => [name, name === ":authority" ? authority : value] as const),
  );
const withPath = (path: string): Buffer =>
  headers(
    1,
    get.map(([name, value]) => [name, name === ":path" ? path : value] as const),
  );
const post = (more: readonly (readonly [string, string])[] = [], flag = 0): Buffer =>
  headers(1, [[":method", "POST"], ...get.slice(1), ...more], flag);

/** Fields that are not well-formed: the library leaves them out, so that nobody behind it sees them. */
export const leftOut: readonly (readonly [name: string, value: string])[] = [
  ["x a", "1"],
  ["x-line", "1\r\nx-smuggled: 2"],
  ["x-zero", "1\0"],
  ["x-blank", " 1"],
];

/** Frames and connections. */
export const frameRefusals: readonly Refused[] = [
  row("4.2", "a frame that is too large", [frame(types.data, 1, [], 0, 16_385)], SIZE),
  row("4.2", "HEADERS that are too large", [frame(types.headers, 1, [], 5, 16_385)], SIZE),
  row("4.2", "PING of 8 bytes and one more", [frame(types.ping, 0, Buffer.alloc(9))], SIZE),
  row(
    "4.3",
    "a dynamic table larger than was allowed",
    [frame(types.headers, 1, Buffer.concat([Buffer.from([0x3f, 0xe1, 0xff, 0x03]), fieldBlock(get)]), 5)],
    "GOAWAY COMPRESSION_ERROR",
  ),
  row("4.3", "an index that no table has", [frame(types.headers, 1, [0xff, 0x00], 5)], "GOAWAY COMPRESSION_ERROR"),
  row(
    "4.3",
    "a field block that cannot be read",
    [frame(types.headers, 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 5)],
    "GOAWAY COMPRESSION_ERROR",
  ),
  row("5.1", "DATA on an idle stream", [frame(types.data, 1, [1])], PROTOCOL),
  row("5.1", "RST_STREAM on an idle stream", [frame(types.reset, 1, uint32(8))], PROTOCOL),
  row("5.1", "WINDOW_UPDATE on an idle stream", [frame(types.windowUpdate, 1, uint32(1))], PROTOCOL),
  row(
    "5.1",
    "DATA after END_STREAM",
    [headers(1), frame(types.data, 1, [1], 1)],
    "RST_STREAM STREAM_CLOSED",
    "GOAWAY STREAM_CLOSED",
  ),
  row(
    "5.1",
    "HEADERS after END_STREAM",
    [headers(1), headers(1)],
    "RST_STREAM STREAM_CLOSED",
    "GOAWAY STREAM_CLOSED",
    PROTOCOL,
  ),
  row("5.1.1", "a stream with an even number", [headers(2)], PROTOCOL),
  row(
    "5.1.2",
    "more streams than may be open",
    Array.from({ length: 129 }, (_, at) => headers(2 * at + 1, [[":method", "POST"], ...get.slice(1)], 0)),
    "RST_STREAM REFUSED_STREAM",
    STREAM_PROTOCOL,
  ),
  row("5.4.1", "DATA on stream 0", [frame(types.data, 0, [1])], PROTOCOL),
  row("6.1", "more padding than there is", [post(), frame(types.data, 1, [9, 1], flags.padded)], PROTOCOL),
  row(
    "6.1",
    "padding that is announced and not there",
    [post(), frame(types.data, 1, [], flags.padded)],
    SIZE,
    PROTOCOL,
  ),
  row("6.2", "a priority that is announced and not there", [frame(types.headers, 1, [0, 0, 0], 0x25)], SIZE, PROTOCOL),
  row("6.2", "HEADERS on stream 0", [headers(0)], PROTOCOL),
  row("6.2", "more padding than there is, in HEADERS", [frame(types.headers, 1, [9, 1], 0xd)], PROTOCOL),
  row("6.3", "PRIORITY of a wrong size", [frame(types.priority, 1, [0, 0, 0, 1])], SIZE, "RST_STREAM FRAME_SIZE_ERROR"),
  row("6.4", "RST_STREAM on stream 0", [frame(types.reset, 0, uint32(8))], PROTOCOL),
  row("6.4", "RST_STREAM of a wrong size", [post(), frame(types.reset, 1, [0, 0, 8])], SIZE),
  row("6.5", "SETTINGS on a stream", [frame(types.settings, 1)], PROTOCOL),
  row("6.5", "SETTINGS of a wrong size", [frame(types.settings, 0, [0, 1, 0])], SIZE),
  row("6.5", "an acknowledgement with a payload", [frame(types.settings, 0, [0, 1, 0, 0, 0, 0], flags.ack)], SIZE),
  row("6.5.2", "ENABLE_PUSH of 2", [setting(2, 2)], PROTOCOL),
  row("6.5.2", "a window above 2^31-1", [setting(4, 0x8000_0000)], "GOAWAY FLOW_CONTROL_ERROR"),
  row("6.5.2", "a frame size below 16,384", [setting(5, 16_383)], PROTOCOL),
  row("6.5.2", "a frame size above 2^24-1", [setting(5, 0x100_0000)], PROTOCOL),
  row("6.6", "PUSH_PROMISE of a client", [frame(types.pushPromise, 1, [0, 0, 0, 2], 4)], PROTOCOL),
  row("6.7", "PING on a stream", [frame(types.ping, 1, Buffer.alloc(8))], PROTOCOL),
  row("6.7", "PING of a wrong size", [frame(types.ping, 0, Buffer.alloc(6))], SIZE),
  row("6.8", "GOAWAY on a stream", [frame(types.goaway, 1, Buffer.alloc(8))], PROTOCOL),
  row("6.9", "an increment of 0 for the connection", [frame(types.windowUpdate, 0, uint32(0))], PROTOCOL),
  row(
    "6.9",
    "an increment of 0 for a stream",
    [post(), frame(types.windowUpdate, 1, uint32(0))],
    STREAM_PROTOCOL,
    PROTOCOL,
  ),
  row("6.8", "GOAWAY of a wrong size", [frame(types.goaway, 0, Buffer.alloc(7))], SIZE),
  row(
    "6.9.2",
    "a window of new streams with which that of an open one would exceed 2^31-1",
    [post(), frame(types.windowUpdate, 1, uint32(1)), setting(4, 0x7fff_ffff)],
    "GOAWAY FLOW_CONTROL_ERROR",
    "RST_STREAM FLOW_CONTROL_ERROR",
  ),
  row("6.9", "WINDOW_UPDATE of a wrong size", [frame(types.windowUpdate, 0, [0, 0, 1])], SIZE),
  row(
    "6.9.1",
    "a window above 2^31-1 for the connection",
    [frame(types.windowUpdate, 0, uint32(0x7fff_ffff))],
    "GOAWAY FLOW_CONTROL_ERROR",
  ),
  row(
    "6.9.1",
    "a window above 2^31-1 for a stream",
    [post(), frame(types.windowUpdate, 1, uint32(0x7fff_ffff))],
    "RST_STREAM FLOW_CONTROL_ERROR",
    "GOAWAY FLOW_CONTROL_ERROR",
  ),
  row(
    "6.10",
    "CONTINUATION of a head that has ended",
    [post(), frame(types.continuation, 1, fieldBlock([["x-a", "1"]]), 4)],
    PROTOCOL,
  ),
  row(
    "6.10",
    "CONTINUATION on stream 0",
    [frame(types.headers, 1, fieldBlock(get), 1), frame(types.continuation, 0, [], 4)],
    PROTOCOL,
  ),
  row(
    "6.10",
    "an unknown frame amid a field block",
    [frame(types.headers, 1, fieldBlock(get), 1), frame(0xbb, 1, [1])],
    PROTOCOL,
  ),
  row("6.10", "CONTINUATION without HEADERS", [frame(types.continuation, 1, fieldBlock(get), 4)], PROTOCOL),
  row(
    "6.10",
    "another frame amid a field block",
    [frame(types.headers, 1, fieldBlock(get), 1), frame(types.ping, 0, Buffer.alloc(8))],
    PROTOCOL,
  ),
  row(
    "6.10",
    "CONTINUATION on another stream",
    [frame(types.headers, 1, fieldBlock(get), 1), frame(types.continuation, 3, [], 4)],
    PROTOCOL,
  ),
];

/** Messages. */
export const messageRefusals: readonly Refused[] = [
  row("8.2.1", "a name in upper case", [fields(["X-A", "1"])], STREAM_PROTOCOL),
  row("8.2.2", "Connection", [fields(["connection", "close"])], STREAM_PROTOCOL),
  row("8.2.2", "Transfer-Encoding", [fields(["transfer-encoding", "chunked"])], STREAM_PROTOCOL),
  row("8.2.2", "Upgrade", [fields(["upgrade", "websocket"])], STREAM_PROTOCOL),
  row("8.2.2", "Proxy-Connection", [fields(["proxy-connection", "keep-alive"])], STREAM_PROTOCOL),
  row("8.2.2", "Keep-Alive", [fields(["keep-alive", "1"])], STREAM_PROTOCOL),
  row("8.2.2", "TE of something else than trailers", [fields(["te", "gzip"])], STREAM_PROTOCOL),
  row("8.3", "an unknown pseudo-field", [fields([":x", "1"])], STREAM_PROTOCOL),
  row("8.3", "a pseudo-field of answers", [fields([":status", "200"])], STREAM_PROTOCOL),
  row("8.3", "a pseudo-field after others", [headers(1, [["x-a", "1"], ...get])], STREAM_PROTOCOL),
  row("8.3", "a pseudo-field among trailers", [post(), headers(1, [[":path", "/"]])], STREAM_PROTOCOL),
  row("8.3", "a pseudo-field of answers among trailers", [post(), headers(1, [[":status", "200"]])], STREAM_PROTOCOL),
  row("8.3.1", "two :method", [fields([":method", "GET"])], STREAM_PROTOCOL),
  row("8.3.1", "two :scheme", [fields([":scheme", "http"])], STREAM_PROTOCOL),
  row("8.3.1", "two :authority", [fields([":authority", "a.test"])], STREAM_PROTOCOL),
  row("8.3.1", "a user in :authority", [withAuthority("user@a.test")], STREAM_PROTOCOL),
  row("8.3.1", "a blank in :authority", [withAuthority("a test")], STREAM_PROTOCOL),
  row("8.3.1", "a :path of * with GET", [withPath("*")], STREAM_PROTOCOL),
  row(
    "8.5",
    "CONNECT with :scheme and :path",
    [headers(1, [[":method", "CONNECT"], ...get.slice(1)])],
    STREAM_PROTOCOL,
  ),
  row("8.3.1", "no :method", [without(":method")], STREAM_PROTOCOL),
  row("8.3.1", "no :scheme", [without(":scheme")], STREAM_PROTOCOL),
  row("8.3.1", "no :path", [without(":path")], STREAM_PROTOCOL),
  row("8.3.1", "an empty :path", [withPath("")], STREAM_PROTOCOL),
  row("8.3.1", "a :path that begins with no slash", [withPath("x")], STREAM_PROTOCOL),
  row("8.3.1", "a :path that holds a line", [withPath("/ HTTP/1.1\r\nx-a: 1")], STREAM_PROTOCOL),
  row("8.3.1", "two :path", [fields([":path", "/"])], STREAM_PROTOCOL),
  row("8.3.1", "a Host that is not the :authority", [fields(["host", "b.test"])], STREAM_PROTOCOL),
  row(
    "8.1.1",
    "more body than Content-Length says",
    [post([["content-length", "1"]]), frame(types.data, 1, [1, 2], 1)],
    STREAM_PROTOCOL,
    // The library ends the connection with it.
    "GOAWAY INTERNAL_ERROR",
  ),
  row(
    "8.1.1",
    "less body than Content-Length says",
    [post([["content-length", "2"]]), frame(types.data, 1, [1], 1)],
    STREAM_PROTOCOL,
  ),
  row("8.1.1", "a length and no body", [headers(1, [...get, ["content-length", "1"]])], STREAM_PROTOCOL),
  row("8.1.1", "a length that is no number", [post([["content-length", "1x"]])], STREAM_PROTOCOL),
  row("8.1.1", "a length with a sign", [post([["content-length", "+1"]])], STREAM_PROTOCOL),
  row(
    "8.1.1",
    "two lengths",
    [
      post([
        ["content-length", "1"],
        ["content-length", "2"],
      ]),
    ],
    STREAM_PROTOCOL,
  ),
  row("8.1", "trailers that do not end the stream", [post(), headers(1, [["x-a", "1"]], 0)], STREAM_PROTOCOL),
];

/** What a server must let pass by the same sections, sent before a request that is to be answered. */
export const allowed: readonly (readonly [section: string, what: string, send: readonly Uint8Array[]])[] = [
  [
    "4.1",
    "a frame of an unknown type, and unknown flags",
    [frame(0xbb, 0, [1]), frame(types.ping, 0, Buffer.alloc(8), 0xf0)],
  ],
  ["4.1", "the reserved bit of a stream's number", [headers(0x8000_0001)]],
  [
    "5.1",
    "RST_STREAM, WINDOW_UPDATE and PRIORITY on a stream that has ended",
    [
      headers(1),
      frame(types.reset, 1, uint32(8)),
      frame(types.windowUpdate, 1, uint32(1)),
      frame(types.reset, 1, uint32(8)),
      frame(types.priority, 1, [0, 0, 0, 0, 15]),
    ],
  ],
  ["5.3.2", "a stream that depends on itself", [frame(types.priority, 3, [0, 0, 0, 3, 15])]],
  ["6.1", "DATA of padding alone", [post(), frame(types.data, 1, [2, 0, 0], flags.padded | flags.endStream)]],
  ["6.5.2", "a setting that nobody knows", [setting(0xab, 7)]],
  [
    "6.10",
    "a head in pieces, an empty one among them",
    [
      frame(types.headers, 1, fieldBlock(get.slice(0, 2)), flags.endStream),
      frame(types.continuation, 1),
      frame(types.continuation, 1, fieldBlock(get.slice(2)), flags.endHeaders),
    ],
  ],
  ["8.2.2", "TE of trailers", [fields(["te", "trailers"])]],
];

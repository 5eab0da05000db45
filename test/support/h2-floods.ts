import { fieldBlock, flags, frame, get, headers, types, uint32 } from "./h2-frames.ts";

/** What costs a client little and a server much, by the frames that make it up. */
export interface Flood {
  readonly what: string;
  readonly send: () => readonly Uint8Array[];
  readonly expected: RegExp;
}

const post = headers(1, [[":method", "POST"], ...get.slice(1)], 0);
const many = (count: number, make: (i: number) => Uint8Array): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => make(i));
const odd = (i: number): number => i * 2 + 1;
const filler = fieldBlock([["x-a", "a".repeat(16_000)]]);

/** The floods; each is ended by a refusal. */
export const floods: readonly Flood[] = [
  {
    what: "streams that are reset as soon as they are open",
    send: () => many(600, (i) => Buffer.concat([headers(odd(i)), frame(types.reset, odd(i), uint32(8))])),
    expected: /^GOAWAY|^RST_STREAM ENHANCE_YOUR_CALM|^closed/,
  },
  {
    what: "CONTINUATION without end",
    send: () => [frame(types.headers, 1, fieldBlock(get), 1), ...many(200, () => frame(types.continuation, 1, filler))],
    expected: /^GOAWAY|^RST_STREAM ENHANCE_YOUR_CALM|^closed/,
  },
  {
    what: "CONTINUATION of nothing without end",
    send: () => [frame(types.headers, 1, fieldBlock(get), 1), ...many(2_000, () => frame(types.continuation, 1))],
    expected: /^GOAWAY|^RST_STREAM ENHANCE_YOUR_CALM|^closed/,
  },
  {
    what: "a head that is too large",
    send: () => [
      frame(types.headers, 1, fieldBlock(get), 1),
      ...many(3, () => frame(types.continuation, 1, filler)),
      frame(types.continuation, 1, [], flags.endHeaders),
    ],
    expected: /^RST_STREAM ENHANCE_YOUR_CALM/,
  },
  {
    what: "a head of too many fields",
    send: () => [headers(1, [...get, ...many(1_500, () => Buffer.alloc(0)).map(() => ["a", ""] as const)])],
    expected: /^RST_STREAM ENHANCE_YOUR_CALM/,
  },
  {
    what: "PING",
    send: () => many(1_000, () => frame(types.ping, 0, Buffer.alloc(8))),
    expected: /^GOAWAY ENHANCE_YOUR_CALM|^closed/,
  },
  {
    what: "SETTINGS",
    send: () => many(1_000, () => frame(types.settings, 0, [0, 4, 0, 1, 0, 0])),
    expected: /^GOAWAY ENHANCE_YOUR_CALM|^closed/,
  },
  {
    what: "empty SETTINGS",
    send: () => many(1_000, () => frame(types.settings, 0)),
    expected: /^GOAWAY ENHANCE_YOUR_CALM|^closed/,
  },
  {
    what: "DATA without data",
    send: () => [post, ...many(1_000, () => frame(types.data, 1))],
    expected: /^GOAWAY|^RST_STREAM ENHANCE_YOUR_CALM|^closed/,
  },
  {
    what: "more streams than are allowed",
    send: () => many(400, (i) => headers(odd(i), [[":method", "POST"], ...get.slice(1)], 0)),
    expected: /REFUSED_STREAM|ENHANCE_YOUR_CALM|GOAWAY PROTOCOL_ERROR/,
  },
];

import type { Random } from "./random.ts";

/**
 * The parts that requests and responses are made of. Each part is well-formed, except
 * once in `rarity` times, where it is one that attacks and broken peers use.
 */

/** A string of random choices; `rarity` 0: well-formed throughout. */
export interface Dice {
  readonly random: Random;
  readonly rarity: number;
}

/** The well-formed choice, or now and then a hostile one. */
export function either({ random, rarity }: Dice, good: readonly string[], hostile: readonly string[]): string {
  return random.pick(rarity > 0 && random.once(rarity) ? hostile : good);
}

const LINE_ENDS = ["\n", "\r", "\r\r\n", "\n\r", "\r\n\r", "", "\r \n", "\0\r\n", "\r\n ", "\r\n\t"];

/** The end of a line. */
export function lineEnd(dice: Dice): string {
  return either(dice, ["\r\n"], LINE_ENDS);
}

const COLONS = [" :", "\t:", ":\r\n ", "", "::", ";", "\0:", "\x0b:", ":\n", "\xa0:", "\r:", ": \0", ":\x0b", "=", " "];

/** One header line. */
export function fieldLine(dice: Dice, name: string, value: string): string {
  const blank = dice.random.pick([" ", " ", " ", "", "  ", "\t", " \t "]);
  const after = dice.random.pick(["", "", "", "", " ", "\t", " \t"]);
  const start = either(dice, [""], [" ", "\t", "\0", "\r", "\x0b", "\xa0", "\r\n", "\n", "\xef\xbb\xbf", ":"]);
  return `${start}${name}${either(dice, [":"], COLONS)}${blank}${value}${after}${lineEnd(dice)}`;
}

/** The name in another case now and then: readers must not care. */
export function anyCase({ random }: Dice, name: string): string {
  if (random.once(8)) return name.toUpperCase();
  return random.once(8) ? name.toLowerCase() : name;
}

const LENGTHS = [
  "+5",
  "-5",
  "-0",
  "5,5",
  "5, 5",
  "5 5",
  "0x5",
  "5e0",
  "5.0",
  "",
  "5;",
  '"5"',
  "99999999999999999999",
  "18446744073709551617",
  "9007199254740993",
  "999999999999999",
  "5\x0b",
  "\x0c5",
  "5\0",
  "\xa05",
  "5\r\n 6",
  "00000000000000000005",
  "\xb2",
  "NaN",
  "0",
  "1",
  "4",
  "6",
];

const CODINGS = [
  "xchunked",
  "chunkedx",
  "identity",
  "gzip",
  "gzip, chunked",
  "chunked, gzip",
  "chunked, chunked",
  "chunked, identity",
  "chunked,",
  ",chunked",
  "chunked;q=1",
  "chunked ;",
  "'chunked'",
  '"chunked"',
  "chun ked",
  "",
  "[chunked]",
  "chunked\xa0",
  "\x0bchunked",
  "chunked\x0c",
  "chunked\0",
  "chunked\r\n\t, identity",
  "\r\n chunked",
  "CHUNKED\xff",
];

/** The bytes of a body, which look like messages now and then. */
function bodyBytes({ random }: Dice): string {
  return random.pick([
    "",
    "a",
    "hello",
    "0\r\n\r\n",
    "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "\0\x01\x7f\x80\xff",
    "x".repeat(random.below(600)),
  ]);
}

/** A body with the lines that frame it. */
export interface Framed {
  readonly lines: readonly string[];
  readonly body: string;
}

/** A body of known length. */
export function withLength(dice: Dice): Framed {
  const body = bodyBytes(dice);
  const zeros = dice.random.once(20) ? "00" : "";
  const value = either(dice, [`${zeros}${body.length}`], LENGTHS);
  const line = fieldLine(dice, anyCase(dice, "Content-Length"), value);
  return { lines: extraFraming(dice, line), body };
}

/** A body in chunks. */
export function inChunks(dice: Dice): Framed {
  const value = either(dice, ["chunked", "chunked", "chunked", "Chunked", "CHUNKED"], CODINGS);
  const line = fieldLine(dice, anyCase(dice, "Transfer-Encoding"), value);
  return { lines: extraFraming(dice, line), body: chunkedBody(dice) };
}

/** Now and then a second framing beside the first, before or after it. */
function extraFraming(dice: Dice, line: string): string[] {
  if (dice.rarity === 0 || !dice.random.once(dice.rarity)) return [line];
  const more = dice.random.pick([
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Content_Length: 3\r\n",
    "Transfer_Encoding: chunked\r\n",
    "Connection: Content-Length, Transfer-Encoding\r\n",
    line,
  ]);
  return dice.random.once(2) ? [line, more] : [more, line];
}

const SIZES = [
  "0x5",
  "+5",
  "-5",
  " 5",
  "5 ",
  "\t5",
  "5\t",
  "",
  "g",
  "5,",
  "FFFFFFFFFFFFFFFF",
  "10000000000000005",
  "5.0",
];
const EXTENSIONS = [";\n", ";a\rb", ";\0", ";\xff", `;${"a".repeat(300)}`, " ;a", ";a\x0b", "a", ";a=\x7f"];

function chunkedBody(dice: Dice): string {
  const { random } = dice;
  let text = "";
  for (let chunks = random.below(4); chunks > 0; chunks--) {
    const data = bodyBytes(dice);
    if (data === "") continue;
    text +=
      chunkSize(dice, data.length) + data + either(dice, ["\r\n"], ["\n", "", "\r", "X\r\n", "\r\r\n", "\r\n\r\n"]);
  }
  return text + chunkSize(dice, 0) + trailers(dice) + lineEnd(dice);
}

function chunkSize(dice: Dice, size: number): string {
  const { random } = dice;
  const hex = size.toString(16);
  const digits = random.pick([hex, hex, hex.toUpperCase(), `0${hex}`, `0000${hex}`]);
  const extension = random.once(4) ? random.pick([";a", ";a=b", ';a="b;c"', ";a;b=c"]) : "";
  return either(dice, [digits], SIZES) + either(dice, [extension], EXTENSIONS) + lineEnd(dice);
}

function trailers(dice: Dice): string {
  const { random } = dice;
  let text = "";
  for (let i = random.once(4) ? 1 + random.below(3) : 0; i > 0; i--) {
    const name = random.pick(["X-Sum", "x-t", "Content-Length", "Transfer-Encoding", "Host", "ETag", "Cookie"]);
    text += fieldLine(dice, name, random.pick(["1", "", "chunked", "a b", "\xe0"]));
  }
  return text;
}

const BROKEN_VALUES = ["a\0b", "a\nb", "a\rb", "a\x7fb", "\x01", "a\r\n b", "a\r\n\tb", "a\r\nb", "\x1b[2J", "a\x0bb"];
const NAMES = ["X-A", "x-a", "Accept", "Cookie", "X_Under_Score", "!#$%&'*+-.^`|~1", "Via", "User-Agent", "Range", "X"];
const BROKEN_NAMES = ["", "X A", "X\0", "X(", "X/", "\xe9", "X\x7f", "X\r", "X\n", '"X"', "X@", "X,", "{X}", "X\\"];
const VALUES = [
  "1",
  "",
  "a, b",
  "a\tb",
  'q="x y"',
  "\xc3\xa0",
  "\xa0x\xa0",
  "a:b",
  "chunked",
  "%0d%0aX: y",
  "Z".repeat(300),
];

/** Any header that frames nothing. */
export function anyField(dice: Dice): string {
  const name = either(dice, NAMES, BROKEN_NAMES);
  return fieldLine(dice, name, either(dice, VALUES, BROKEN_VALUES));
}

/** A Connection line. */
export function connectionField(dice: Dice, more: readonly string[]): string {
  const options = ["keep-alive", "close", "Keep-Alive, X-A", "CLOSE", "upgrade", ", ,close", "keep-alive, close", ""];
  const hostile = [
    "close\xa0",
    "cl ose",
    "close;",
    "keep-alive\0",
    "close\r\n , keep-alive",
    "xclose",
    "closex",
    ...more,
  ];
  return fieldLine(dice, anyCase(dice, "Connection"), either(dice, options, hostile));
}

/** Puts the lines into a random order. */
export function shuffled({ random }: Dice, lines: readonly string[]): string[] {
  const list = [...lines];
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

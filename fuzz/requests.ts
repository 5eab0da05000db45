import {
  anyField,
  connectionField,
  type Dice,
  either,
  fieldLine,
  type Framed,
  inChunks,
  lineEnd,
  shuffled,
  withLength,
} from "./grammar.ts";
import { mutated } from "./mutate.ts";
import { Random } from "./random.ts";

/** Streams of requests, from well-formed to hostile. */

const METHODS = ["GET", "GET", "GET", "POST", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "PURGE", "TRACE"];
const BAD_METHODS = [
  "get",
  "G@T",
  "",
  "GET\t",
  "GET:",
  "CONNECT",
  "PRI",
  "X",
  "GET\0",
  "\r\nGET",
  "\nGET",
  " GET",
  "FOO-1",
];
const TARGETS = [
  "/",
  "/",
  "/a/b",
  "/a?x=1&y=%20",
  "/a//b/../c",
  "/%41%2f",
  "/\xc3\xa0",
  "/?",
  "http://b/",
  "http://b:81/x?y",
  "http://b",
  "http://b?q",
  "HTTPS://b/x",
  '/a|b^{}`\\"<>',
];
const BAD_TARGETS = [
  "*",
  "a",
  "",
  "//",
  "/ a",
  "/\0",
  "/#f",
  "/a#f?x",
  "/%00",
  "/%zz",
  "/..",
  "http://",
  "http:///a",
  "http://u@b/",
  "http://b c/",
  "ftp://b/",
  "b:443",
  "/\t",
  "/\x7f",
  "/\xff",
  "/a\rb",
  "?x",
];
const BAD_VERSIONS = [
  "HTTP/0.9",
  "HTTP/1.2",
  "HTTP/2.0",
  "http/1.1",
  "HTTP/1.1 ",
  "HTTP/11",
  "HTTP/1.",
  "HTTP/01.1",
  "",
  "ICY/1.1",
];
const HOSTS = ["a", "a.example.com", "a:80", "A.B", "[::1]:8080", "127.0.0.1"];
const BAD_HOSTS = ["", "a b", "a,b", "a/b", "u@a", "a:b", "a:1:2", "[::1", "a..b", "\xe4", "a\0", "a\tb", "http://a"];

/** The stream of requests that the seed names. */
export function requestStream(seed: number): string {
  const random = new Random(seed);
  const dice: Dice = { random, rarity: random.pick([0, 0, 8, 30, 30, 60]) };
  let text = "";
  for (let requests = random.pick([1, 1, 1, 2, 3]); requests > 0; requests--) {
    // The same one twice now and then: readers may remember the last head.
    text += text !== "" && random.once(4) ? text : request(dice);
  }
  if (dice.rarity > 0 && random.once(3)) text = mutated(random, text);
  if (random.once(200)) text = randomBytes(random);
  return text;
}

function request(dice: Dice): string {
  const { random } = dice;
  const version = either(dice, ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"], BAD_VERSIONS);
  const framed = framing(dice, version);
  const lines: string[] = [];
  if (dice.rarity === 0 || !random.once(dice.rarity)) lines.push(hostLine(dice));
  if (dice.rarity > 0 && random.once(dice.rarity)) lines.push(hostLine(dice));
  for (let fields = random.below(4); fields > 0; fields--) lines.push(otherField(dice));
  lines.push(...framed.lines);
  const gap = (): string => either(dice, [" "], ["  ", "\t", "", " \t", "\x0b", "\xa0", "\r"]);
  const empty = random.once(25) ? "\r\n" : "";
  const line = `${either(dice, METHODS, BAD_METHODS)}${gap()}${either(dice, TARGETS, BAD_TARGETS)}${gap()}${version}`;
  return `${empty}${line}${lineEnd(dice)}${shuffled(dice, lines).join("")}${lineEnd(dice)}${framed.body}`;
}

function framing(dice: Dice, version: string): Framed {
  const chosen = dice.random.below(4);
  if (chosen === 0) return withLength(dice);
  if (chosen === 1 && (version === "HTTP/1.1" || dice.rarity > 0)) return inChunks(dice);
  return { lines: [], body: "" };
}

function hostLine(dice: Dice): string {
  return fieldLine(dice, dice.random.pick(["Host", "Host", "host", "HOST"]), either(dice, HOSTS, BAD_HOSTS));
}

function otherField(dice: Dice): string {
  const { random } = dice;
  switch (random.below(6)) {
    case 0:
      return connectionField(dice, ["Host", "Content-Length", "Transfer-Encoding", "Cookie, close"]);
    case 1:
      return fieldLine(
        dice,
        random.pick(["Expect", "TE", "Keep-Alive", "Proxy-Connection", "Upgrade", "HTTP2-Settings", "Trailer"]),
        random.pick(["100-continue", "trailers", "timeout=5", "websocket", "h2c", "x"]),
      );
    case 2:
      return fieldLine(
        dice,
        random.pick(["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded"]),
        random.pick(["1.2.3.4", "https", "evil", "for=1", ""]),
      );
    default:
      return anyField(dice);
  }
}

function randomBytes(random: Random): string {
  return Array.from({ length: random.below(300) }, () => String.fromCharCode(random.below(256))).join("");
}

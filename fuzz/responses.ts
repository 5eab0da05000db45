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

/** What a hostile or broken origin sends for one request. */
export interface ResponseStream {
  readonly text: string;
  /** The request was a HEAD. */
  readonly toHead: boolean;
  /** The origin closes after these bytes. */
  readonly ended: boolean;
}

const STATUSES = ["200", "200", "200", "200", "204", "304", "404", "500", "206", "999"];
const BAD_STATUSES = ["20", "2000", "0200", "099", "000", "abc", "", "2 0", "+20", "-200", "101", "100", "199", "600"];
const REASONS = [" OK", " OK", " ", "", " Not  Found", " \xc3\xa0", " a\tb"];
const BAD_REASONS = [" O\0K", " O\nK", " O\rK", "OK", " \x7f", "\t", " \x01"];
const VERSIONS = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"];
const BAD_VERSIONS = [
  "HTTP/1.2",
  "HTTP/2.0",
  "HTTP/0.9",
  "http/1.1",
  "ICY",
  "HTTP/1.1 ",
  "HTTP/11",
  "HTTP/1.",
  " HTTP/1.1",
  "",
];

/** The stream that the seed names. */
export function responseStream(seed: number): ResponseStream {
  const random = new Random(seed);
  const dice: Dice = { random, rarity: random.pick([0, 0, 8, 30, 30, 60]) };
  let text = "";
  for (let interims = random.once(6) ? 1 + random.below(2) : 0; interims > 0; interims--) text += interim(dice);
  text += response(dice);
  if (random.once(8)) text += response(dice);
  if (dice.rarity > 0 && random.once(3)) text = mutated(random, text);
  return { text, toHead: random.once(5), ended: random.once(2) };
}

function response(dice: Dice): string {
  const { random } = dice;
  const version = either(dice, VERSIONS, BAD_VERSIONS);
  const framed = framing(dice, version);
  const lines = [...framed.lines];
  for (let fields = random.below(4); fields > 0; fields--) lines.push(otherField(dice));
  return (
    `${version}${either(dice, [" "], ["  ", "\t", ""])}${either(dice, STATUSES, BAD_STATUSES)}` +
    `${either(dice, REASONS, BAD_REASONS)}${lineEnd(dice)}${shuffled(dice, lines).join("")}${lineEnd(dice)}${framed.body}`
  );
}

function framing(dice: Dice, version: string): Framed {
  const chosen = dice.random.below(5);
  if (chosen < 2) return withLength(dice);
  if (chosen < 4 && (version === "HTTP/1.1" || dice.rarity > 0)) return inChunks(dice);
  return { lines: [], body: "until the end" };
}

function otherField(dice: Dice): string {
  const { random } = dice;
  if (random.once(4)) return connectionField(dice, ["Content-Length", "Transfer-Encoding", "Set-Cookie"]);
  if (random.once(2)) return anyField(dice);
  const name = random.pick([
    "Date",
    "Server",
    "Content-Type",
    "Set-Cookie",
    "Set-Cookie",
    "Location",
    "Upgrade",
    "Keep-Alive",
  ]);
  return fieldLine(
    dice,
    name,
    random.pick(["text/html", "x", "a=b; Path=/", "Thu, 01 Jan 1970 00:00:00 GMT", "", "websocket"]),
  );
}

function interim(dice: Dice): string {
  const status = either(
    dice,
    ["100 Continue", "103 Early Hints", "102 Processing"],
    ["101 Switching Protocols", "199", "100"],
  );
  const fields = dice.random.once(2) ? fieldLine(dice, "Link", "</a>; rel=preload") : "";
  const framed = dice.rarity > 0 && dice.random.once(dice.rarity) ? "Content-Length: 5\r\n" : "";
  return `HTTP/1.1 ${status}${lineEnd(dice)}${fields}${framed}${lineEnd(dice)}`;
}

import type { Random } from "./random.ts";

/** Bytes and sequences that readers stumble over. */
const SNIPPETS = [
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "\x0b",
  "\x7f",
  "\x80",
  "\xff",
  "0",
  "A",
  "HTTP/1.1",
  "chunked",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "0\r\n\r\n",
];

/** Changes a few bytes, without regard to what they mean. */
export function mutated(random: Random, text: string): string {
  let out = text;
  for (let i = 1 + random.below(3); i > 0; i--) out = mutatedOnce(random, out);
  return out;
}

function mutatedOnce(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  const span = 1 + random.below(random.once(4) ? 20 : 3);
  const before = text.slice(0, at);
  switch (random.below(6)) {
    case 0:
      return before + text.slice(at + span);
    case 1:
      return before + random.pick(SNIPPETS) + text.slice(at);
    case 2:
      return before + random.pick(SNIPPETS) + text.slice(at + 1);
    case 3:
      return before + String.fromCharCode(random.below(256)) + text.slice(at + 1);
    case 4:
      return before + text.slice(at, at + span) + text.slice(at);
    default:
      return random.once(4) ? before : before + flipped(random, text.charCodeAt(at)) + text.slice(at + 1);
  }
}

function flipped(random: Random, code: number): string {
  return Number.isNaN(code) ? "" : String.fromCharCode(code ^ (1 << random.below(8)));
}

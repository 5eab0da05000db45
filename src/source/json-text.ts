import { unreadable } from "./document.ts";

/** Reads JSON; throws `SOURCE_UNREADABLE` with file, line and column, never with content. */
export function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const { offset, problem } = locateFault(text);
    const before = text.slice(0, offset).split("\n");
    throw unreadable(`${file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}: ${problem}`, error);
  }
}

/**
 * Where text stops being JSON (RFC 8259). The engine's own messages quote the text,
 * which may hold secrets, and do not always say where.
 */
function locateFault(text: string): { offset: number; problem: string } {
  const token =
    // oxlint-disable-next-line no-control-regex -- they must be escaped in JSON.
    /\s*(?:("(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[\da-fA-F]{4})*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([[\]{},:]))/y;
  const open: string[] = [];
  let expected: "value" | "key" | "colon" | "next" = "value";
  // An opening bracket may be followed by its closing one.
  let mayClose = false;
  for (;;) {
    const start = token.lastIndex;
    const match = token.exec(text);
    const offset = start + (/^\s*/.exec(text.slice(start, start + 4096))?.[0].length ?? 0);
    const here = (problem: string) => ({ offset, problem });
    if (match === null) {
      if (offset >= text.length)
        return here(open.length > 0 ? `the text ends within ${open.length} open brackets` : "the text ends");
      return here(
        text[offset] === '"' ? "a quoted text that is not closed or has a character that must be escaped" : "not JSON",
      );
    }
    const [, string, scalar, mark] = match;
    const within = open.at(-1);
    if (mark === "]" || mark === "}") {
      const fits = within === (mark === "]" ? "[" : "{") && (expected === "next" || mayClose);
      if (!fits) return here(`\`${mark}\` cannot stand here`);
      open.pop();
      expected = "next";
    } else if (expected === "next") {
      if (mark !== "," || within === undefined)
        return here(within === undefined ? "the text goes on after its end" : "expected `,` or a closing bracket");
      expected = within === "{" ? "key" : "value";
      mayClose = false;
      continue;
    } else if (expected === "colon") {
      if (mark !== ":") return here("expected `:`");
      expected = "value";
    } else if (expected === "key") {
      if (string === undefined) return here("expected a key in double quotes");
      expected = "colon";
    } else if (mark === "[" || mark === "{") {
      open.push(mark);
      expected = mark === "{" ? "key" : "value";
      mayClose = true;
      continue;
    } else if (string === undefined && scalar === undefined) {
      return here("expected a value");
    } else {
      expected = "next";
    }
    mayClose = false;
  }
}

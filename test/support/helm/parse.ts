/**
 * Templates of a Helm chart, as far as this chart goes: Go's text/template with `if`, `range`,
 * `define` and pipelines. What it does not know is an error, never passed over.
 */
export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "output"; readonly pipeline: Pipeline }
  | { readonly kind: "if"; readonly pipeline: Pipeline; readonly body: readonly Node[]; readonly else: readonly Node[] }
  | { readonly kind: "range"; readonly pipeline: Pipeline; readonly body: readonly Node[] };

/** Commands in order; the value of one is the last argument of the next. */
export type Pipeline = readonly (readonly Term[])[];

export type Term =
  | { readonly kind: "value"; readonly value: string | number | boolean }
  | { readonly kind: "path"; readonly path: readonly string[] }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "pipeline"; readonly pipeline: Pipeline };

export interface ParsedFile {
  readonly body: readonly Node[];
  readonly defined: ReadonlyMap<string, readonly Node[]>;
}

interface Piece {
  readonly text: string | null;
  readonly action: string;
  readonly line: number;
}

/** Throws with file and line where something is not balanced or not known. */
export function parseTemplate(file: string, text: string): ParsedFile {
  const pieces = piecesOf(file, text);
  const defined = new Map<string, readonly Node[]>();
  let at = 0;
  const fail = (line: number, reason: string): never => {
    throw new Error(`${file}:${line}: ${reason}`);
  };

  function nodes(opener: Piece | null): { nodes: Node[]; closer: string } {
    const done: Node[] = [];
    for (;;) {
      const piece = pieces[at++];
      if (piece === undefined) {
        if (opener !== null) fail(opener.line, `{{ ${opener.action} }} has no end`);
        return { nodes: done, closer: "" };
      }
      if (piece.text !== null) {
        done.push({ kind: "text", text: piece.text });
        continue;
      }
      const [word = "", rest = ""] = split(piece.action);
      if (word === "end" || word === "else") {
        if (opener === null) fail(piece.line, `{{ ${piece.action} }} ends nothing`);
        return { nodes: done, closer: piece.action };
      }
      if (word === "if") done.push(condition(piece, rest));
      else if (word === "range") done.push({ kind: "range", pipeline: pipelineOf(rest), body: closed(piece) });
      else if (word === "define") defined.set(JSON.parse(rest) as string, closed(piece));
      else done.push({ kind: "output", pipeline: pipelineOf(piece.action) });
    }
  }

  function closed(opener: Piece): Node[] {
    const { nodes: body, closer } = nodes(opener);
    if (closer !== "end") fail(opener.line, `{{ ${opener.action} }} ends with {{ ${closer} }}`);
    return body;
  }

  function condition(opener: Piece, test: string): Node {
    const { nodes: body, closer } = nodes(opener);
    const node = { kind: "if", pipeline: pipelineOf(test), body } as const;
    if (closer === "end") return { ...node, else: [] };
    if (closer === "else") return { ...node, else: closed(opener) };
    return { ...node, else: [condition(opener, closer.replace(/^else if /, ""))] };
  }

  return { body: nodes(null).nodes, defined };
}

function split(action: string): [string, string] {
  const blank = action.indexOf(" ");
  return blank < 0 ? [action, ""] : [action.slice(0, blank), action.slice(blank + 1).trim()];
}

function piecesOf(file: string, text: string): Piece[] {
  const pieces: Piece[] = [];
  const pattern = /\{\{(-\s)?\s*(\/\*.*?\*\/|(?:"(?:[^"\\]|\\.)*"|[^"}])*?)\s*(\s-)?\}\}/gs;
  let from = 0;
  let trim = false;
  const literal = (part: string, trimEnd: boolean): void => {
    if (part.replaceAll(/\{\{/g, "") !== part) {
      throw new Error(`${file}:${lineAt(text, from)}: an action is not closed`);
    }
    const left = trim ? part.trimStart() : part;
    pieces.push({ text: trimEnd ? left.trimEnd() : left, action: "", line: lineAt(text, from) });
  };
  for (const match of text.matchAll(pattern)) {
    literal(text.slice(from, match.index), match[1] !== undefined);
    const action = match[2] ?? "";
    if (!action.startsWith("/*")) pieces.push({ text: null, action, line: lineAt(text, match.index) });
    from = match.index + match[0].length;
    trim = match[3] !== undefined;
  }
  literal(text.slice(from), false);
  return pieces;
}

const lineAt = (text: string, index: number): number => text.slice(0, index).split("\n").length;

function pipelineOf(text: string): Pipeline {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[()|]|[^\s()|]+/g) ?? [];
  let at = 0;
  function pipeline(): Pipeline {
    const commands: Term[][] = [[]];
    for (; at < tokens.length && tokens[at] !== ")"; at++) {
      const token = tokens[at] ?? "";
      if (token === "|") commands.push([]);
      else if (token === "(") {
        at++;
        commands.at(-1)?.push({ kind: "pipeline", pipeline: pipeline() });
        if (tokens[at] !== ")") throw new Error(`a parenthesis is not closed: ${text}`);
      } else commands.at(-1)?.push(termOf(token));
    }
    if (commands.some((terms) => terms.length === 0)) throw new Error(`an empty command: ${text}`);
    return commands;
  }
  const whole = pipeline();
  if (at < tokens.length) throw new Error(`a parenthesis too many: ${text}`);
  return whole;
}

function termOf(token: string): Term {
  if (/^("|\d+$|true$|false$)/.test(token)) return { kind: "value", value: JSON.parse(token) as string };
  if (/^(\.|(\.\w+)+)$/.test(token)) return { kind: "path", path: token.split(".").filter((part) => part !== "") };
  if (/^\w+$/.test(token)) return { kind: "name", name: token };
  throw new Error(`not known in templates: ${token}`);
}

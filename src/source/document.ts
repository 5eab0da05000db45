import { resolveAll, type TextReader } from "../lib/env-references.ts";
import { kinds } from "../schema/kinds.ts";
import { TurnpikeError } from "../lib/errors.ts";
import { nestingFault } from "../lib/nesting.ts";
import type { RawResource, SourceDocument } from "./source.ts";

/** Something that keeps a parsed file from being a document. */
export interface Problem {
  /** Keys and 0-based indexes from the root. */
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** Matches the text where the problem is, for those who have nothing but the text. */
  readonly pattern: RegExp | null;
}

/**
 * What a parsed file holds, with every problem it has: environment variables put in,
 * every kind a list. Kinds that do not exist are passed on for the store to refuse by
 * name; keys that begin with `x-` (a place for anchors) and `<kind>_conf_version` are
 * nobody's concern. `readText` tells what an unquoted value becomes that variables
 * were put into; without it as in JSON, where everything is quoted. `variables`: there
 * may be some.
 */
export function readDocument(
  root: unknown,
  readText?: TextReader,
  variables = true,
): { document: SourceDocument; problems: readonly Problem[] } {
  const resources: Record<string, readonly RawResource[]> = {};
  const document = { resources };
  if (root === null || root === undefined) return { document, problems: [] };
  if (typeof root !== "object" || Array.isArray(root)) {
    const message = `expected lists of resources by kind, found ${nameOf(root)}`;
    return { document, problems: [{ path: [], message, pattern: null }] };
  }
  const deep = nestingFault(root);
  if (deep !== null) return { document, problems: [{ path: [], message: deep, pattern: null }] };
  const missing = variables ? resolveAll(root, process.env, readText) : [];
  const problems: Problem[] = missing.map(({ path, message, variable }) => ({
    path,
    message,
    pattern: variable === null ? null : new RegExp(`\\$\\{\\{\\s*${RegExp.escape(variable)}\\s*\\}\\}`),
  }));
  for (const [name, list] of Object.entries(root)) {
    if (name.startsWith("x-") || name.endsWith("_conf_version")) continue;
    if (!(kinds as readonly string[]).includes(name)) resources[name] = [];
    else if (Array.isArray(list)) resources[name] = list.map((value: unknown) => ({ value, line: 0 }));
    else if (list !== null) {
      const pattern = new RegExp(`^[ \\t{]*["']?${RegExp.escape(name)}["']?[ \\t]*:`, "m");
      problems.push({ path: [name], message: `expected a list, found ${nameOf(list)}`, pattern });
    }
  }
  return { document, problems };
}

/** A parsed file as a document; throws `SOURCE_UNREADABLE` with its first problem. `text` is what was parsed. */
export function toDocument(file: string, text: string, root: unknown, readText?: TextReader): SourceDocument {
  // An escape may stand for a part of a reference.
  const variables = /\$\{\{|\\/.test(text);
  const { document, problems } = readDocument(root, readText, variables);
  const [problem] = problems;
  if (problem === undefined) return document;
  const offset = problem.pattern === null ? -1 : text.search(problem.pattern);
  const place = offset === -1 ? file : `${file}:${text.slice(0, offset).split("\n").length}`;
  const field = problem.path.length === 0 ? "" : `${formatPath(problem.path)}: `;
  throw unreadable(`${place}: ${field}${problem.message}`);
}

/** An error of the source with a reason that is shown as it is. */
export function unreadable(reason: string, cause?: unknown): TurnpikeError {
  return new TurnpikeError("SOURCE_UNREADABLE", reason, cause);
}

/** `routes[2].upstream.nodes`. */
export function formatPath(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    if (!/^[\w-]+$/.test(part)) return `${text}[${JSON.stringify(part)}]`;
    return text === "" ? part : `${text}.${part}`;
  }, "");
}

function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a mapping" : `a ${typeof value}`;
}

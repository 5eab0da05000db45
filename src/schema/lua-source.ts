import { createRequire } from "node:module";

/**
 * Whether Lua in `filter_func` and `script` would load, as APISIX asks before it stores
 * it. This gateway runs no Lua; who shares a store with APISIX must not break it there.
 */

const require = createRequire(import.meta.url);

/** What APISIX says of a `filter_func` that does not load; `null`: it does. */
export function filterFuncFault(source: string): string | null {
  const chunk = parseChunk(`return ${source}`);
  return "error" in chunk ? `failed to load 'filter_func' string: ${chunk.error}` : null;
}

/** What APISIX says of a `script` that does not load or gives no table; `null`: it may. */
export function scriptFault(source: string): string | null {
  const chunk = parseChunk(source);
  if ("error" in chunk) return `failed to load 'script' string: ${chunk.error}`;
  return chunk.result === null || NO_TABLE.has(chunk.result) ? "'script' should be a Lua object" : null;
}

/** Expressions whose value is certainly no table. */
const NO_TABLE: ReadonlySet<string> = new Set([
  "StringLiteral",
  "NumericLiteral",
  "BooleanLiteral",
  "NilLiteral",
  "FunctionDeclaration",
]);

interface Statement {
  readonly type: string;
  readonly arguments?: readonly { readonly type: string }[];
}

/** The kind of the expression that a chunk returns (`null`: none), or why it does not load. */
function parseChunk(source: string): { readonly result: string | null } | { readonly error: string } {
  // Loaded when first needed: hardly any configuration has Lua in it.
  const { parse } = require("luaparse") as typeof import("luaparse");
  try {
    const options = { luaVersion: "LuaJIT", comments: false } as const;
    const last = parse(source, options).body.at(-1) as Statement | undefined;
    return { result: last?.type === "ReturnStatement" ? (last.arguments?.[0]?.type ?? null) : null };
  } catch (error) {
    if (error instanceof RangeError) return { error: "chunk has too many syntax levels" };
    const text = (error as Error).message;
    const [, line = "1", reason = text] = /^\[(\d+):\d+\] ([^]*)$/.exec(text) ?? [];
    return { error: `[string "${source.split("\n", 1)[0]?.slice(0, 60)}"]:${line}: ${reason}` };
  }
}

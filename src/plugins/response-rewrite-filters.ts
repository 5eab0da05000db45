import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import type { PluginEnv } from "../plugin/plugin.ts";
import { reasonOf } from "../lib/errors.ts";
import { compileSafeRegex } from "../plugin/safe-regex.ts";

/** One replacement in a body, compiled. Bodies are text of one character per byte unless the pattern is Unicode. */
export interface BodyFilter {
  readonly regex: RegExp;
  readonly unicode: boolean;
  readonly replace: (groups: readonly (string | undefined)[]) => string;
}

interface FilterConf {
  readonly regex: string;
  readonly scope: "once" | "global";
  readonly replace: string;
  readonly options: string;
}

/** Compiles `filters`; throws with the pattern and the reason. */
export function compileFilters(filters: readonly FilterConf[]): readonly BodyFilter[] {
  return filters.map(({ regex: pattern, scope, replace, options }) => {
    const unicode = /[uU]/.test(options);
    const encode = (text: string): string => (unicode ? text : Buffer.from(text).toString("latin1"));
    try {
      const compiled = compileSafeRegex(encode(pattern), options);
      const regex = scope === "global" ? new RegExp(compiled, `${compiled.flags}g`) : compiled;
      return { regex, unicode, replace: compileReplacement(encode(replace)) };
    } catch (thrown) {
      throw new Error(`regex "${pattern}" validation failed: ${reasonOf(thrown)}`, { cause: thrown });
    }
  });
}

/** `$0`, `$1`, `${1}` are captures, `$$` is a dollar; another dollar is text. */
function compileReplacement(text: string): BodyFilter["replace"] {
  const parts = text.split(/(\$\$|\$\d+|\$\{\d+\})/).map((part) => {
    if (part === "$$") return "$";
    const index = /^\$\{?(\d+)/.exec(part)?.[1];
    return index === undefined ? part : Number(index);
  });
  return (groups) => parts.map((part) => (typeof part === "string" ? part : (groups[part] ?? ""))).join("");
}

/** Undoes a content coding, making `limit` bytes at most; throws where the body is broken or larger. */
export type Decode = (body: Buffer, limit: number) => Buffer;

const decoders: Readonly<Record<string, Decode>> = {
  "": (body) => body,
  identity: (body) => body,
  gzip: (body, limit) => gunzipSync(body, { maxOutputLength: limit }),
  deflate: (body, limit) => inflateSync(body, { maxOutputLength: limit }),
  br: (body, limit) => brotliDecompressSync(body, { maxOutputLength: limit }),
};

/** What undoes a Content-Encoding; `null` for one that is not known. */
export function decoderOf(coding: string | undefined): Decode | null {
  return decoders[(coding ?? "").trim().toLowerCase()] ?? null;
}

const EMPTY = Buffer.alloc(0);

/** Gathers the body of one answer and filters it at its end. */
export class BodyRewriter {
  readonly #filters: readonly BodyFilter[];
  readonly #decode: Decode;
  readonly #limit: number;
  readonly #env: PluginEnv;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(filters: readonly BodyFilter[], decode: Decode, limit: number, env: PluginEnv) {
    this.#filters = filters;
    this.#decode = decode;
    this.#limit = limit;
    this.#env = env;
  }

  /** Takes a piece; answers with nothing until the last, then with the whole. */
  take(chunk: Buffer, last: boolean): Buffer {
    const room = this.#limit - this.#size;
    if (chunk.length > room && room > 0) this.#env.warn(`an answer was cut off at ${this.#limit} bytes`);
    // A copy: the buffer belongs to the connection.
    if (chunk.length > 0 && room > 0) this.#chunks.push(Buffer.from(chunk.subarray(0, room)));
    this.#size += chunk.length;
    if (!last) return EMPTY;
    const gathered = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return gathered.length === 0 ? EMPTY : this.#filter(this.#decode(gathered, this.#limit));
  }

  #filter(body: Buffer): Buffer {
    let bytes = body;
    for (const { regex, unicode, replace } of this.#filters) {
      const encoding = unicode ? "utf8" : "latin1";
      const text = bytes.toString(encoding).replace(regex, (...found: unknown[]) => {
        // The groups end where the offset (a number) begins.
        const groups = found.slice(
          0,
          found.findIndex((part) => typeof part === "number"),
        );
        return replace(groups as (string | undefined)[]);
      });
      bytes = Buffer.from(text, encoding);
    }
    return bytes;
  }
}

import { constants, createContext, Script, type Context } from "node:vm";
import { reasonOf } from "../lib/errors.ts";
import type { RequestContext } from "./context.ts";
import { compileVariable, type VariableAccessor } from "./variables.ts";

/**
 * Where functions that stand in a configuration run, in JavaScript.
 *
 * They run in a context of its own without globals but the language's, all of them
 * frozen: no modules, no timers, no promises, no code from text, nothing that is left
 * from call to call. Only texts pass between it and the host. A function that cannot take
 * long is called directly; the others run under a watchdog, which ends a call that takes
 * too long and costs half a millisecond. That keeps mistakes in; it is no wall against
 * whoever may write configuration, as Lua in APISIX is none.
 */

/** Milliseconds of the clock that one call may take: a thread on a busy machine may not get its turn for a while. */
const LIMIT_MS = 250;
/** Bytes of the text of a function. */
const MAX_SOURCE = 65_536;

/** What a function may ask for while it runs. */
export interface SandboxHost {
  /** The value of a variable. */
  read(name: string): string | undefined;
  /** Does `what` of `ctx`, as in `request.header`; throws where it cannot. */
  ask(what: string, name: string, value: string): string | undefined;
}

/** Where nothing may be asked. */
export const noHost: SandboxHost = { read: () => undefined, ask: () => undefined };

export interface Sandbox {
  readonly context: Context;
  /** Sets who is asked during the next call. */
  use(host: SandboxHost): void;
  /** Calls a function of the context under the watchdog. */
  watch(call: () => unknown): unknown;
  /** What was thrown in the context, as text, however it is made. */
  describe(thrown: unknown): string;
}

/** How messages about a function are worded. */
export interface FunctionForm {
  /** What the function is called, as in `filter_func`. */
  readonly name: string;
  /** A function in the form that is expected. */
  readonly example: string;
}

/**
 * Compiles the text of a function to a script that yields what `wrap` makes of it; throws
 * an Error with the reason, which shows the form that is expected, where it is no
 * JavaScript or uses what it may not.
 * @param wrap an expression of JavaScript: a function of the function.
 */
export function compileFunctionText(source: string, wrap: string, { name, example }: FunctionForm): Script {
  if (source.length > MAX_SOURCE) throw new Error(`${name} is longer than ${MAX_SOURCE} characters`);
  const forbidden = /\\u|\b(?:import|async|await|with)\b/.exec(source);
  if (forbidden !== null) throw new Error(`${name} must not use ${forbidden[0]}`);
  try {
    // Twice: what closes the bracket in between must not pass as one expression.
    void new Script(`"use strict";(${source}\n)`);
    return new Script(`"use strict";(${wrap})((${source}\n))`);
  } catch (thrown) {
    const lua = /\bend\s*;?\s*$/.test(source) ? "; Lua is not run" : "";
    throw new Error(`${name} is not JavaScript: ${reasonOf(thrown)}${lua}. Write: ${example}`, { cause: thrown });
  }
}

/** Words that may stand before a bracket in a function that is called directly. */
const shortCalls = new Set(
  (
    "function if switch return typeof startsWith endsWith includes indexOf lastIndexOf slice substring " +
    "toLowerCase toUpperCase trim trimStart trimEnd split charAt charCodeAt at Number String Boolean parseInt parseFloat isNaN " +
    "header setHeader removeHeader setTarget setStatus log"
  ).split(" "),
);

/** Whether the time of a call is bounded by the length of the text: no loop, no other function, only cheap methods. */
export function isShort(source: string): boolean {
  const plain = source.replaceAll(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""');
  const opening = /^function\s*\(\s*\w*\s*(?:,\s*\w+\s*)?\)/.exec(plain);
  if (opening === null) return false;
  const body = plain.slice(opening[0].length);
  if (/\b(?:for|while|do|function|class|new|get|set)\b|=>|[`/]|[\])]\s*\(|\?\.\s*\(/.test(body)) return false;
  return Array.from(body.matchAll(/([\w$]+)\s*\(/g)).every(([, word = ""]) => shortCalls.has(word));
}

/** Names that a function asks for are compiled once; a function that makes names up does not fill the memory. */
const MAX_NAMES = 1_000;

/** Reads variables by names that become known only when a function runs. */
export function compileReader(compile = compileVariable): (ctx: RequestContext, name: string) => string | undefined {
  const accessors = new Map<string, VariableAccessor>();
  return (ctx, name) => {
    let accessor = accessors.get(name);
    if (accessor === undefined) {
      accessor = compile(name);
      if (accessors.size < MAX_NAMES) accessors.set(name, accessor);
    }
    return accessor(ctx);
  };
}

/** One for each thread: contexts cost memory, and this one cannot be changed by what runs in it. */
let sandbox: Sandbox | null = null;

/** The sandbox of this thread. */
export function sharedSandbox(): Sandbox {
  return (sandbox ??= createSandbox());
}

/**
 * Takes away what a function has no use for, defines `vars`, `ctx` and `answerOf`, and
 * freezes everything that can be reached. The host's functions are called inside a `try` of
 * the context's own, so that none of its errors, which lead to the host's globals, can be
 * caught by a function; what the host refuses comes as a text that begins with `!`.
 */
const PREPARE = `"use strict";
for (const name of ["Promise", "WebAssembly", "SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry", "console",
  "ShadowRealm", "Iterator", "AsyncDisposableStack", "DisposableStack"]) delete globalThis[name];
delete Array.fromAsync;
const read = (name) => { try { const value = host.read(name); return typeof value === "string" ? value : undefined; } catch { return undefined; } };
const ask = (what, name, value) => {
  const text = (given) => (given === undefined ? "" : String(given));
  const [first, second] = [text(name), text(value)];
  let answer;
  try { answer = host.ask(what, first, second); } catch { answer = "!failed"; }
  if (typeof answer !== "string") return undefined;
  if (answer[0] === "!") throw new Error(what + ": " + answer.slice(1));
  return answer.slice(1);
};
const vars = new Proxy(Object.freeze({ __proto__: null }), {
  __proto__: null,
  get: (_, name) => (typeof name === "string" ? read(name) : undefined),
  has: (_, name) => typeof name === "string" && read(name) !== undefined,
});
const part = (name) => ({
  __proto__: null,
  header: (header) => ask(name + ".header", header),
  setHeader: (header, value) => void ask(name + ".setHeader", header, value),
  removeHeader: (header) => void ask(name + ".removeHeader", header),
});
const ctx = {
  __proto__: null,
  vars,
  request: { ...part("request"), __proto__: null, setTarget: (target) => void ask("request.setTarget", target) },
  response: { ...part("response"), __proto__: null, setStatus: (status) => void ask("response.setStatus", status) },
  log: (message) => void ask("log", message),
};
const answerOf = (result) => {
  if (result === undefined || result === null) return undefined;
  const [status, body] = Array.isArray(result) ? result : [result];
  if (!Number.isInteger(status)) throw new TypeError("it must return nothing, a status or [status, body]");
  const text = body === undefined || typeof body === "string" ? (body ?? "") : JSON.stringify(body) + "\\n";
  return status + " " + text;
};
for (const [name, value] of [["vars", vars], ["ctx", ctx], ["answerOf", answerOf]]) Object.defineProperty(globalThis, name, { value });
Object.defineProperty(globalThis, "watched", { value: () => call() });
const seen = new Set([vars]);
const freeze = (value) => {
  if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) return;
  seen.add(value);
  for (const key of Reflect.ownKeys(value)) {
    const { value: inner, get, set } = Reflect.getOwnPropertyDescriptor(value, key);
    for (const part of [inner, get, set]) freeze(part);
  }
  freeze(Reflect.getPrototypeOf(value));
  Object.freeze(value);
};
for (const made of [globalThis, function* () {}, [][Symbol.iterator](), new Map().entries(), new Set().values(),
  ""[Symbol.iterator](), "".matchAll(/a/g), async function () {}, async function* () {}]) freeze(made);
`;

function createSandbox(): Sandbox {
  let current = noHost;
  const context = createContext(constants.DONT_CONTEXTIFY, {
    name: "functions",
    codeGeneration: { strings: false, wasm: false },
  });
  const host: SandboxHost = {
    read: (name) => current.read(name),
    ask: (what, name, value) => answerText(current, what, name, value),
  };
  let called: () => unknown = () => undefined;
  const define = new Script(`(host, call) => { ${PREPARE} }`).runInContext(context) as (
    host: SandboxHost,
    call: () => unknown,
  ) => void;
  define(host, () => called());
  const text = new Script(
    `"use strict"; (thrown) => { try { return String(thrown instanceof Error ? thrown.message : thrown); } catch { return "an error"; } }`,
  ).runInContext(context) as (thrown: unknown) => string;
  const watched = new Script("watched()");
  return {
    context,
    use: (given) => void (current = given),
    watch(call) {
      called = call;
      return watched.runInContext(context, { timeout: LIMIT_MS });
    },
    describe(thrown) {
      if (thrown instanceof Error) return thrown.message;
      try {
        return text(thrown).slice(0, 200);
      } catch {
        return "an error";
      }
    },
  };
}

/** The host's answer in the form that the context expects: `=value`, `!reason`, or nothing. */
function answerText(host: SandboxHost, what: string, name: string, value: string): string | undefined {
  try {
    const answer = host.ask(what, name, value);
    return answer === undefined ? undefined : `=${answer}`;
  } catch (error) {
    return `!${reasonOf(error)}`;
  }
}

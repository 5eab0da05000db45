import { constants, createContext, Script, type Context } from "node:vm";
import { monotonicMs } from "../lib/clock.ts";
import { reasonOf } from "../lib/errors.ts";
import type { RequestContext } from "../plugin/context.ts";
import { compileVariable, type VariableAccessor } from "../plugin/variables.ts";

/**
 * `filter_func` of routes, in JavaScript: `function (vars) { return vars.arg_name === "a"; }`.
 *
 * The function runs in a context of its own without globals but the language's, all of
 * them frozen: no modules, no timers, no promises, no code from text, nothing that is
 * left from call to call. It sees variables as texts. A function that only compares, and can therefore not take
 * long, is called directly; the others run under a watchdog, which ends a call that takes
 * too long and costs half a millisecond. That keeps mistakes in; it is no wall against whoever may write configuration,
 * as Lua in APISIX is none.
 */

/** Milliseconds of the clock that one call may take: a thread on a busy machine may not get its turn for a while. */
const LIMIT_MS = 250;

/** Bytes of the text of a function. */
const MAX_SOURCE = 65_536;

/** Time between two faults of one function that are told. */
const FAULT_INTERVAL_MS = 10_000;

/** Is told why a function did not decide, now and then; the route is not matched then. */
export type FilterFault = (reason: string) => void;

/** The shape of functions, as messages show it. */
const EXAMPLE = `function (vars) { return vars.arg_name === "a"; }`;

/**
 * Compiles the text of a function; throws an Error with the reason, which shows the
 * form that is expected, where it is no JavaScript or uses what it may not.
 */
export function compileFilterFunction(source: string, fault: FilterFault): (ctx: RequestContext) => boolean {
  if (source.length > MAX_SOURCE) throw new Error(`filter_func is longer than ${MAX_SOURCE} characters`);
  const forbidden = /\\u|\b(?:import|async|await|with)\b/.exec(source);
  if (forbidden !== null) throw new Error(`filter_func must not use ${forbidden[0]}`);
  const script = compileScript(source);
  const sandbox = sharedSandbox();
  const read = compileReader();
  const call = script.runInContext(sandbox.context) as () => boolean;
  const watched = new Script("filter()");
  const decide = isShort(source) ? call : () => sandbox.watch(call, watched);
  let nextFault = 0;
  return (ctx) => {
    sandbox.use((name) => read(ctx, name));
    try {
      return decide();
    } catch (thrown) {
      const now = monotonicMs();
      if (now >= nextFault) {
        nextFault = now + FAULT_INTERVAL_MS;
        fault(`filter_func: ${sandbox.describe(thrown)}`);
      }
      return false;
    } finally {
      sandbox.use(nothing);
    }
  };
}

/** Words that may stand before a bracket in a function that is called directly. */
const shortCalls = new Set(
  (
    "function if switch return typeof startsWith endsWith includes indexOf lastIndexOf slice substring " +
    "toLowerCase toUpperCase trim trimStart trimEnd split charAt charCodeAt at Number String Boolean parseInt parseFloat isNaN"
  ).split(" "),
);

/** Whether the time of a call is bounded by the length of the text: no loop, no other function, only cheap methods. */
function isShort(source: string): boolean {
  const plain = source.replaceAll(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""');
  const opening = /^function\s*\(\s*\w*\s*\)/.exec(plain);
  if (opening === null) return false;
  const body = plain.slice(opening[0].length);
  if (/\b(?:for|while|do|function|class|new|get|set)\b|=>|[`/]|[\])]\s*\(|\?\.\s*\(/.test(body)) return false;
  return Array.from(body.matchAll(/([\w$]+)\s*\(/g)).every(([, word = ""]) => shortCalls.has(word));
}

function compileScript(source: string): Script {
  try {
    // Twice: what closes the bracket in between must not pass as one expression.
    void new Script(`"use strict";(${source}\n)`);
    return new Script(`"use strict";((filter) => () => !!filter(vars))((${source}\n))`);
  } catch (thrown) {
    const lua = /\bend\s*$/.test(source) ? "; Lua is not run" : "";
    throw new Error(`filter_func is not JavaScript: ${reasonOf(thrown)}${lua}. Write: ${EXAMPLE}`, { cause: thrown });
  }
}

type Read = (name: string) => string | undefined;
const nothing: Read = () => undefined;

/** Names that a function asks for are compiled once; a function that makes names up does not fill the memory. */
const MAX_NAMES = 1_000;

function compileReader(): (ctx: RequestContext, name: string) => string | undefined {
  const accessors = new Map<string, VariableAccessor>();
  return (ctx, name) => {
    let accessor = accessors.get(name);
    if (accessor === undefined) {
      accessor = compileVariable(name);
      if (accessors.size < MAX_NAMES) accessors.set(name, accessor);
    }
    return accessor(ctx);
  };
}

interface Sandbox {
  readonly context: Context;
  /** Sets where the variables of the next call come from. */
  use(read: Read): void;
  /** Calls the function under the watchdog. */
  watch(call: () => boolean, script: Script): boolean;
  /** What was thrown in the context, as text, however it is made. */
  describe(thrown: unknown): string;
}

/** One for each thread: contexts cost memory, and this one cannot be changed by what runs in it. */
let sandbox: Sandbox | null = null;

function sharedSandbox(): Sandbox {
  return (sandbox ??= createSandbox());
}

/**
 * Takes away what a filter has no use for, defines `vars`, and freezes everything that
 * can be reached. The host's function is called inside a `try` of the context's own, so
 * that none of its errors, which lead to the host's globals, can be caught by a filter.
 */
const PREPARE = `"use strict";
for (const name of ["Promise", "WebAssembly", "SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry", "console",
  "ShadowRealm", "Iterator", "AsyncDisposableStack", "DisposableStack"]) delete globalThis[name];
delete Array.fromAsync;
const read = (name) => { try { const value = host(name); return typeof value === "string" ? value : undefined; } catch { return undefined; } };
const vars = new Proxy(Object.freeze({ __proto__: null }), {
  __proto__: null,
  get: (_, name) => (typeof name === "string" ? read(name) : undefined),
  has: (_, name) => typeof name === "string" && read(name) !== undefined,
});
Object.defineProperty(globalThis, "vars", { value: vars });
Object.defineProperty(globalThis, "filter", { value: () => filter() });
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
  let current = nothing;
  const context = createContext(constants.DONT_CONTEXTIFY, {
    name: "filter_func",
    codeGeneration: { strings: false, wasm: false },
  });
  const host = (name: string): string | undefined => current(name);
  let called: () => boolean = () => false;
  const define = new Script(`(host, filter) => { ${PREPARE} }`).runInContext(context) as (
    host: Read,
    filter: () => boolean,
  ) => void;
  define(host, () => called());
  const text = new Script(
    `"use strict"; (thrown) => { try { return String(thrown instanceof Error ? thrown.message : thrown); } catch { return "an error"; } }`,
  ).runInContext(context) as (thrown: unknown) => string;
  return {
    context,
    use: (read) => void (current = read),
    watch(call, script) {
      called = call;
      return script.runInContext(context, { timeout: LIMIT_MS }) === true;
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

import { monotonicMs } from "../lib/clock.ts";
import type { RequestContext, ResponseHead } from "../plugin/context.ts";
import { reply, type PluginEnv, type Reply } from "../plugin/plugin.ts";
import { compileFunctionText, compileReader, isShort, noHost, sharedSandbox } from "../plugin/sandbox.ts";

/** A function of serverless-pre-function and serverless-post-function, compiled. */
export type ServerlessFunction = (ctx: RequestContext, head: ResponseHead | null) => Reply | undefined;

/** Time between two lines that one function may write into the log. */
const LOG_INTERVAL_MS = 100;
const example = `function (conf, ctx) { if (ctx.vars.arg_name === "a") return [403, "no"]; }`;

/**
 * Compiles the text of a function. Throws an Error with the reason where it is no
 * JavaScript; the compiled function throws one where the function fails, takes too long,
 * or asks for what its phase does not have.
 * @param before whether the request has not been sent: it may be changed, and answered.
 */
export function compileServerless(
  source: string,
  name: string,
  conf: unknown,
  before: boolean,
  env: PluginEnv,
): ServerlessFunction {
  const wrap = `(run) => {
    if (typeof run !== "function") throw new TypeError("it is no function");
    const conf = ${JSON.stringify(conf)};
    return () => answerOf(run(conf, ctx));
  }`;
  const script = compileFunctionText(source, wrap, { name, example });
  const sandbox = sharedSandbox();
  const read = compileReader();
  const describe = (thrown: unknown): Error => new Error(`${name}: ${sandbox.describe(thrown)}`);
  let call: () => unknown;
  try {
    // The text may be a call that makes the function, and that may take long.
    call = script.runInContext(sandbox.context, { timeout: 250 }) as () => unknown;
  } catch (thrown) {
    throw describe(thrown);
  }
  const run = isShort(source) ? call : () => sandbox.watch(call);
  const log = compileLog(env);
  return (ctx, head) => {
    sandbox.use({
      read: (variable) => read(ctx, variable),
      ask: (what, first, second) => (what === "log" ? log(first) : ask(ctx, head, before, what, first, second)),
    });
    try {
      const answer = run();
      return typeof answer === "string" && before ? replyOf(answer) : undefined;
    } catch (thrown) {
      throw describe(thrown);
    } finally {
      sandbox.use(noHost);
    }
  };
}

/** A status, a blank and the body. */
function replyOf(answer: string): Reply {
  const blank = answer.indexOf(" ");
  const status = Number(answer.slice(0, blank));
  if (status < 200 || status > 599) throw new Error(`it returned the status ${status}`);
  return reply(status, answer.slice(blank + 1));
}

/** Does what a function asks of its `ctx`. */
function ask(
  ctx: RequestContext,
  head: ResponseHead | null,
  before: boolean,
  what: string,
  name: string,
  value: string,
): string | undefined {
  if (what === "request.header")
    return before ? ctx.upstream.header(name.toLowerCase()) : ctx.header(name.toLowerCase());
  if (what === "response.header")
    return head === null ? ctx.responseHeader(name.toLowerCase()) : head.header(name.toLowerCase());
  const target = what.startsWith("request.") ? (before ? ctx.upstream : null) : head;
  if (target === null) throw new Error("not in this phase");
  switch (what) {
    case "request.setHeader":
    case "response.setHeader":
      target.setHeader(name, value);
      return undefined;
    case "request.removeHeader":
    case "response.removeHeader":
      target.removeHeader(name);
      return undefined;
    case "request.setTarget":
      ctx.upstream.target = name;
      return undefined;
    case "response.setStatus":
      if (head !== null) head.status = Number(name);
      return undefined;
    default:
      throw new Error("unknown");
  }
}

/** Writes into the error log, within bounds. */
function compileLog(env: PluginEnv): (message: string) => undefined {
  let next = -Infinity;
  return (message) => {
    const now = monotonicMs();
    if (now >= next) {
      next = now + LOG_INTERVAL_MS;
      env.warn(message.slice(0, 1_000));
    }
    return undefined;
  };
}

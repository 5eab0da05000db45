import { reasonOf } from "../../lib/errors.ts";
import type { RequestContext } from "../../plugin/context.ts";
import type { ConfRule, PluginDefinition, PluginEnv, PluginHandlers, Reply } from "../../plugin/plugin.ts";
import { failureText } from "./failure-text.ts";
import { buildTimeLimit, type TimeLimit } from "./time-limit.ts";

/**
 * A user's plugin whose handlers are held to the contract at run time: what they return
 * is checked, what they reject is caught. Plugins of the gateway are held to it by the
 * compiler and need none of this.
 */
export function guarded(definition: PluginDefinition): PluginDefinition {
  const limit = buildTimeLimit();
  return {
    ...definition,
    ...limitRules(definition, limit),
    version: definition.version ?? "0.1",
    compile(conf, env) {
      const handlers: unknown = limit.call("compile", () => definition.compile(conf, env));
      if (typeof handlers !== "object" || handlers === null || handlers instanceof Promise) {
        throw new Error("compile must return the handlers by phase, an object");
      }
      for (const [name, handler] of Object.entries(handlers)) {
        if (!values.has(name) && handler !== undefined && typeof handler !== "function") {
          throw new Error(`${name} is no function`);
        }
      }
      return guardHandlers(handlers, env, limit);
    },
  };
}

/** What of the handlers is no function. */
const values: ReadonlySet<string> = new Set(["bodyUses", "publicApis", "encodesBody"]);

/** The rules beyond the schema: each call within its time, and one that throws says that nothing is valid. */
function limitRules(definition: PluginDefinition, limit: TimeLimit): Partial<PluginDefinition> {
  const rules: { -readonly [Name in Rule]?: ConfRule } = {};
  for (const name of ["checkFirst", "checkConf", "checkConsumer"] as const) {
    const rule = definition[name];
    if (rule === undefined) continue;
    rules[name] = (conf, check) => {
      try {
        return limit.call(name, () => rule.call(definition, conf, check));
      } catch (thrown) {
        return failureText(thrown);
      }
    };
  }
  return rules;
}

type Rule = "checkFirst" | "checkConf" | "checkConsumer";
type RequestPhase = "rewrite" | "access" | "before_proxy";

function guardHandlers(handlers: PluginHandlers, env: PluginEnv, limit: TimeLimit): PluginHandlers {
  const guards: { -readonly [Name in keyof PluginHandlers]: PluginHandlers[Name] } = {};
  for (const phase of ["rewrite", "access", "before_proxy"] as const) {
    if (handlers[phase] !== undefined) guards[phase] = guardRequestPhase(handlers, phase);
  }
  if (handlers.header_filter !== undefined) {
    guards.header_filter = (ctx, head) => refusePromise("header_filter", handlers.header_filter?.(ctx, head));
  }
  if (handlers.body_filter !== undefined) {
    guards.body_filter = (ctx, chunk, last) => asBytes(handlers.body_filter?.(ctx, chunk, last));
  }
  if (handlers.log !== undefined) {
    guards.log = (ctx) => {
      const result: unknown = handlers.log?.(ctx);
      if (!isThenable(result)) return;
      const { id } = ctx.route;
      result.then(undefined, (error: unknown) => env.warn(`failed in log on route ${id}: ${failureText(error)}`));
    };
  }
  if (handlers.bodyUses !== undefined) guards.bodyUses = handlers.bodyUses;
  if (handlers.encodesBody !== undefined) guards.encodesBody = handlers.encodesBody;
  if (handlers.publicApis !== undefined) guards.publicApis = handlers.publicApis;
  if (handlers.dispose !== undefined) guards.dispose = () => limit.call("dispose", () => disposeOf(handlers, env));
  return guards;
}

function guardRequestPhase(handlers: PluginHandlers, phase: RequestPhase): NonNullable<PluginHandlers[RequestPhase]> {
  return (ctx: RequestContext) => {
    const result: unknown = handlers[phase]?.(ctx);
    if (result === undefined) return undefined;
    return isThenable(result) ? Promise.resolve(result).then(asReply) : asReply(result);
  };
}

function disposeOf(handlers: PluginHandlers, env: PluginEnv): void {
  const result: unknown = handlers.dispose?.();
  if (!isThenable(result)) return;
  result.then(undefined, (error: unknown) => env.warn(`dispose failed: ${reasonOf(error)}`));
}

/** What a handler returned as an answer; throws where it is none. */
function asReply(value: unknown): Reply | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object") throw new TypeError(`returned ${typeof value} instead of reply(…) or nothing`);
  const { status, headers = [], body = "" } = value as Partial<Reply>;
  if (typeof status !== "number" || !Number.isInteger(status) || status < 200 || status > 599) {
    throw new TypeError(`returned an answer with the status ${String(status)}; 200 to 599 is possible`);
  }
  if (typeof body !== "string" && !(body instanceof Uint8Array)) {
    throw new TypeError("returned an answer whose body is neither text nor bytes; reply(…) makes JSON of objects");
  }
  if (!Array.isArray(headers)) throw new TypeError("returned an answer whose headers are no list of pairs");
  return {
    status,
    headers: (headers as [unknown, unknown][]).map(([name, text]) => [String(name), String(text)]),
    body,
  };
}

function asBytes(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === "string") return Buffer.from(value);
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  refusePromise("body_filter", value);
  throw new TypeError("body_filter must return the bytes to send, a Buffer");
}

function refusePromise(phase: string, value: unknown): void {
  if (!isThenable(value)) return;
  value.then(undefined, () => undefined);
  throw new TypeError(`${phase} must not be asynchronous: it returned a promise`);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

import type { RequestContext } from "../plugin/context.ts";
import { reply, type PluginHandlers, type Reply } from "../plugin/plugin.ts";
import type { PluginMeta } from "../schema/plugins.ts";
import { compileExpression, type Predicate } from "../plugin/expression.ts";
import type { BodyHandler, Handler, HeaderHandler, LogHandler, RequestHandler } from "./plan.ts";
import type { PluginInstance } from "./plugin-instances.ts";

/** A plugin as it takes part in a plan. */
export interface ActivePlugin {
  readonly name: string;
  readonly priority: number;
  readonly instance: PluginInstance;
  readonly meta: PluginMeta | undefined;
  /** `_meta.filter`; `null`: the plugin always runs. */
  readonly filter: Predicate | null;
}

/** The arrays of a plan; `null` where no plugin has a handler for the phase. */
export interface Phases {
  readonly rewrite: readonly RequestHandler[] | null;
  readonly access: readonly RequestHandler[] | null;
  readonly beforeProxy: readonly RequestHandler[] | null;
  readonly headerFilter: readonly HeaderHandler[] | null;
  readonly bodyFilter: readonly BodyHandler[] | null;
  readonly log: readonly LogHandler[] | null;
}

/** A plan's handler; holds the instance, so that it is not disposed of before its last call. */
interface HeldHandler<F> extends Handler<F> {
  readonly instance: PluginInstance;
  readonly place: number;
}

type Ranked = Pick<ActivePlugin, "name" | "priority">;

/** Descending priority; the name decides between equals, so that every worker has the same order. */
export function byPriority(a: Ranked, b: Ranked): number {
  return b.priority - a.priority || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** The phases of plugins that are in the order in which they run. */
export function compilePhases(plugins: readonly ActivePlugin[]): Phases {
  const filters = encodersLast(plugins);
  return {
    rewrite: requestHandlers(plugins, "rewrite"),
    access: requestHandlers(plugins, "access"),
    beforeProxy: requestHandlers(plugins, "before_proxy"),
    headerFilter: collect(filters, ({ instance: { handlers }, filter }) => {
      const run = handlers.header_filter?.bind(handlers);
      return run === undefined || filter === null ? run : (ctx, head) => filter(ctx) && run(ctx, head);
    }),
    bodyFilter: collect(filters, ({ instance: { handlers }, filter }) => {
      const run = handlers.body_filter?.bind(handlers);
      return run === undefined || filter === null
        ? run
        : (ctx, piece, last) => (filter(ctx) ? run(ctx, piece, last) : piece);
    }),
    log: collect(plugins, ({ instance: { handlers }, filter }) => {
      const run = handlers.log?.bind(handlers);
      return run === undefined || filter === null ? run : (ctx) => filter(ctx) && run(ctx);
    }),
  };
}

/** The order of filters: what encodes bodies comes after everything that changes them. */
function encodersLast(plugins: readonly ActivePlugin[]): readonly ActivePlugin[] {
  const encodes = ({ instance }: ActivePlugin): boolean => instance.handlers.encodesBody === true;
  return plugins.some(encodes)
    ? [...plugins.filter((plugin) => !encodes(plugin)), ...plugins.filter(encodes)]
    : plugins;
}

/** The handlers of one of the phases that may answer. */
export function requestHandlers(
  plugins: readonly ActivePlugin[],
  phase: "rewrite" | "access" | "before_proxy",
): readonly RequestHandler[] | null {
  return collect(plugins, ({ instance: { handlers }, meta, filter }) => {
    const bound = handlers[phase]?.bind(handlers);
    if (bound === undefined) return undefined;
    const run = meta?.error_response === undefined ? bound : replaceErrors(bound, meta.error_response);
    return filter === null ? run : (ctx) => (filter(ctx) ? run(ctx) : undefined);
  });
}

/**
 * `_meta.filter` of a plugin. It is judged once per request, in the first phase in
 * which the plugin could run, and holds for the others.
 */
export function compileFilter(rules: readonly unknown[] | undefined): Predicate | null {
  if (rules === undefined || rules.length === 0) return null;
  const holds = compileExpression(rules);
  const key = `_meta.filter ${nextFilter++}`;
  return (ctx) => {
    const judged = ctx.values.get(key);
    if (judged !== undefined) return judged === true;
    const result = holds(ctx);
    ctx.values.set(key, result);
    return result;
  };
}

/** Tells filters apart within a request. */
let nextFilter = 0;

function collect<F>(
  plugins: readonly ActivePlugin[],
  pick: (plugin: ActivePlugin) => F | undefined,
): readonly HeldHandler<F>[] | null {
  const handlers: HeldHandler<F>[] = [];
  for (const [place, plugin] of plugins.entries()) {
    const run = pick(plugin);
    if (run !== undefined) handlers.push({ plugin: plugin.name, run, instance: plugin.instance, place });
  }
  return handlers.length === 0 ? null : handlers;
}

type RequestPhase = NonNullable<PluginHandlers["access"]>;

/** `_meta.error_response`: the body of every error answer, whatever the plugin says. */
function replaceErrors(run: RequestPhase, response: string | object): RequestPhase {
  const { body } = reply(500, response);
  const replace = (answer: Reply | void): Reply | void =>
    answer !== undefined && answer.status >= 400 ? { ...answer, body } : answer;
  return (ctx: RequestContext) => {
    const answer = run(ctx);
    return answer instanceof Promise ? answer.then(replace) : replace(answer);
  };
}

import type { RequestContext } from "../plugin/context.ts";
import { reply, type PluginHandlers, type Reply } from "../plugin/plugin.ts";
import type { PluginMeta } from "../schema/plugins.ts";
import type { BodyHandler, Handler, HeaderHandler, LogHandler, RequestHandler } from "./plan.ts";
import type { PluginInstance } from "./plugin-instances.ts";

/** A plugin as it takes part in a plan. */
export interface ActivePlugin {
  readonly name: string;
  readonly priority: number;
  readonly instance: PluginInstance;
  readonly meta: PluginMeta | undefined;
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
}

/** Descending priority; the name decides between equals, so that every worker has the same order. */
export function byPriority(a: ActivePlugin, b: ActivePlugin): number {
  return b.priority - a.priority || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** The phases of plugins that are in the order in which they run. */
export function compilePhases(plugins: readonly ActivePlugin[]): Phases {
  return {
    rewrite: requestHandlers(plugins, "rewrite"),
    access: requestHandlers(plugins, "access"),
    beforeProxy: requestHandlers(plugins, "before_proxy"),
    headerFilter: collect(plugins, ({ handlers }) => handlers.header_filter?.bind(handlers)),
    bodyFilter: collect(plugins, ({ handlers }) => handlers.body_filter?.bind(handlers)),
    log: collect(plugins, ({ handlers }) => handlers.log?.bind(handlers)),
  };
}

/** The handlers of one of the phases that may answer. */
export function requestHandlers(
  plugins: readonly ActivePlugin[],
  phase: "rewrite" | "access" | "before_proxy",
): readonly RequestHandler[] | null {
  return collect(plugins, ({ handlers }, meta) => {
    const run = handlers[phase]?.bind(handlers);
    return run === undefined || meta?.error_response === undefined ? run : replaceErrors(run, meta.error_response);
  });
}

function collect<F>(
  plugins: readonly ActivePlugin[],
  pick: (instance: PluginInstance, meta: PluginMeta | undefined) => F | undefined,
): readonly HeldHandler<F>[] | null {
  const handlers: HeldHandler<F>[] = [];
  for (const { name, instance, meta } of plugins) {
    const run = pick(instance, meta);
    if (run !== undefined) handlers.push({ plugin: name, run, instance });
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

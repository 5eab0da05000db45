import type { StreamPlan } from "../../compile/stream/stream-plan.ts";
import type { Reply } from "../../plugin/plugin.ts";
import type { StreamContext } from "./stream-context.ts";
import type { StreamEnvironment } from "./stream-environment.ts";

/**
 * Runs the plugins that may close a stream. The status it is closed with, 0 where it may
 * go on; a promise only where a plugin gave one. Never rejects.
 */
export function admit(plan: StreamPlan, ctx: StreamContext, env: StreamEnvironment): number | Promise<number> {
  const { access } = plan;
  if (access === null) return 0;
  for (let i = 0; i < access.length; i++) {
    const { plugin, run } = access[i]!;
    try {
      const answer = run(ctx);
      if (answer instanceof Promise) return admitLater(plan, ctx, env, answer, i);
      if (answer !== undefined) return answer.status;
    } catch (error) {
      return failed(plugin, ctx, env, error);
    }
  }
  return 0;
}

/** Goes on where the handler `at` has given a promise. */
async function admitLater(
  { access }: StreamPlan,
  ctx: StreamContext,
  env: StreamEnvironment,
  pending: Promise<Reply | void>,
  at: number,
): Promise<number> {
  let plugin = access![at]!.plugin;
  try {
    let answer = await pending;
    for (const handler of access!.slice(at + 1)) {
      if (answer !== undefined) break;
      plugin = handler.plugin;
      answer = await handler.run(ctx);
    }
    return answer === undefined ? 0 : answer.status;
  } catch (error) {
    return failed(plugin, ctx, env, error);
  }
}

function failed(plugin: string, ctx: StreamContext, env: StreamEnvironment, error: unknown): number {
  env.complaints.add(`plugin ${plugin} failed`, `stream route ${ctx.route.id}: ${String(error)}`);
  return 500;
}

/** The end of a stream: the plugins' `log`, and a line of the access log. */
export function conclude(plan: StreamPlan | null, ctx: StreamContext, env: StreamEnvironment): void {
  ctx.end();
  for (const { plugin, run } of plan?.log ?? []) {
    try {
      run(ctx);
    } catch (error) {
      failed(plugin, ctx, env, error);
    }
  }
  env.accessLog?.write(ctx);
}

import type { RequestContext } from "../plugin/context.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import type { ConfCheck, PluginEnv, PluginHandlers, Reply } from "../plugin/plugin.ts";

export const multiAuth = definePlugin({
  name: "multi-auth",
  summary: "Authenticates by the first of several authentication plugins that recognises the consumer.",
  priority: 2600,
  version: "0.1",
  type: "auth",
  schema: {
    type: "object",
    title: "work with route or service object",
    properties: {
      auth_plugins: {
        type: "array",
        items: { type: "object" },
        minItems: 2,
        $comment: "Authentication plugins with their configurations, asked in this order.",
      },
    },
    required: ["auth_plugins"],
  },
  consumerSchema: { type: "object", properties: {}, title: "work with consumer object" },
  checkConf({ auth_plugins: combined }, check) {
    for (const [name, conf] of membersOf(combined as Members)) {
      const reason = memberFault(name, conf, check);
      if (reason !== null) return reason;
    }
    return null;
  },

  compile(conf, env) {
    const members = membersOf(conf.auth_plugins).map(([name, memberConf]) => compileMember(name, memberConf, env));
    const failed = "Authorization Failed";

    /** The refusal of the last one tells the client how it could authenticate. */
    const refuse = (last: Reply | null): Reply => reply(401, { message: failed }, challengeOf(last));

    async function askFrom(
      ctx: RequestContext,
      first: number,
      pending: Promise<Reply | void>,
    ): Promise<Reply | undefined> {
      let last = await pending;
      for (let i = first; i < members.length && last !== undefined; i++) last = await members[i]?.rewrite?.(ctx);
      return last === undefined ? undefined : refuse(last);
    }

    return {
      rewrite(ctx) {
        let last: Reply | null = null;
        for (const [index, member] of members.entries()) {
          const answer = member.rewrite?.(ctx);
          if (answer instanceof Promise) return askFrom(ctx, index + 1, answer);
          if (answer === undefined) return undefined;
          last = answer;
        }
        return refuse(last);
      },
      dispose() {
        for (const member of members) member.dispose?.();
      },
    };
  },
});

type Members = readonly Readonly<Record<string, unknown>>[];

/** Names and configurations, in order; an entry may hold several plugins. */
function membersOf(combined: Members): readonly (readonly [name: string, conf: unknown])[] {
  return combined.flatMap((entry) => Object.entries(entry));
}

function compileMember(name: string, conf: unknown, env: PluginEnv): PluginHandlers {
  const handlers = env.compileOther(name, conf);
  if (handlers.rewrite === undefined) throw new Error(`plugin ${name} cannot be one of several`);
  return handlers;
}

function challengeOf(refusal: Reply | null): Reply["headers"] {
  return refusal?.headers.filter(([name]) => name === "WWW-Authenticate") ?? [];
}

function memberFault(name: string, conf: unknown, check: ConfCheck): string | null {
  const plugin = check.plugin(name);
  if (plugin === undefined) return `${name} plugin did not found`;
  if (plugin.type !== "auth") return `${name} plugin is not supported`;
  const fault = check.schemaFault(plugin.schema, conf);
  const reason = fault ?? plugin.checkConf?.(conf as Readonly<Record<string, unknown>>, check) ?? null;
  return reason === null ? null : `plugin ${name} check schema failed: ${reason}`;
}

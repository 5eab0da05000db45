import type { RequestContext } from "../plugin/context.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import { methods } from "../schema/methods.ts";
import { checkStatus } from "./reply-status.ts";

const names = { type: "array", minItems: 1, items: { type: "string" } } as const;

export const consumerRestriction = definePlugin({
  name: "consumer-restriction",
  summary: "Admits or turns away requests by consumer, consumer group, service or route.",
  priority: 2400,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      type: {
        type: "string",
        enum: ["consumer_name", "service_id", "route_id", "consumer_group_id"],
        default: "consumer_name",
        $comment: "What the lists hold.",
      },
      blacklist: { ...names, $comment: "Who is turned away." },
      whitelist: { ...names, $comment: "Who is admitted, and nobody else." },
      allowed_by_methods: {
        type: "array",
        $comment: "Methods that a `user` may use; who is not named may use any.",
        items: {
          type: "object",
          properties: {
            user: { type: "string" },
            methods: {
              type: "array",
              minItems: 1,
              items: { type: "string", enum: methods, description: "HTTP method" },
            },
          },
        },
      },
      rejected_code: { type: "integer", minimum: 200, default: 403, $comment: "Status of a refusal." },
      rejected_msg: { type: "string", $comment: "Message of a refusal." },
    },
    anyOf: [{ required: ["blacklist"] }, { required: ["whitelist"] }, { required: ["allowed_by_methods"] }],
  },

  compile(conf) {
    const { type } = conf;
    const valueOf = values[type];
    const absent = reply(401, { message: `The request is rejected, please check the ${type} for this request` });
    const message = conf.rejected_msg ?? `The ${type} is forbidden.`;
    const forbidden = reply(checkStatus("rejected_code", conf.rejected_code), { message });
    const blacklist = new Set(conf.blacklist);
    const whitelist = conf.whitelist === undefined ? null : new Set(conf.whitelist);
    const byMethods = new Map<string, ReadonlySet<string>>();
    for (const { user, methods } of conf.allowed_by_methods ?? []) {
      // The first entry of a user counts.
      if (user !== undefined && !byMethods.has(user)) byMethods.set(user, new Set<string>(methods));
    }

    return {
      access(ctx) {
        const value = valueOf(ctx);
        if (value === undefined) return absent;
        if (blacklist.has(value)) return forbidden;
        if (whitelist !== null) return whitelist.has(value) ? undefined : forbidden;
        return (byMethods.get(value)?.has(ctx.method) ?? true) ? undefined : forbidden;
      },
    };
  },
});

const orNone = (value: string): string | undefined => (value === "" ? undefined : value);

const values = {
  consumer_name: (ctx) => ctx.consumer?.username,
  consumer_group_id: (ctx) => ctx.consumer?.groupId ?? undefined,
  service_id: (ctx) => orNone(ctx.route.serviceId),
  route_id: (ctx) => orNone(ctx.route.id),
} as const satisfies Readonly<Record<string, (ctx: RequestContext) => string | undefined>>;

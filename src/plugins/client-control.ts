import { definePlugin, reply } from "../plugin/plugin.ts";
import type { PluginHandlers } from "../plugin/plugin.ts";

export const clientControl = definePlugin({
  name: "client-control",
  summary: "Limits the size of request bodies for a route.",
  priority: 22000,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      max_body_size: { type: "integer", minimum: 0, description: "Greatest size of a body in bytes; 0: any." },
    },
  },

  compile({ max_body_size: limit = 0 }): PluginHandlers {
    if (limit === 0) return {};
    const tooLarge = reply(413);
    return {
      rewrite(ctx) {
        // What is announced is refused before anything else runs; the rest is counted as it comes.
        if (Number(ctx.header("content-length") ?? 0) > limit) return tooLarge;
        ctx.limitBody(limit);
        return undefined;
      },
    };
  },
});

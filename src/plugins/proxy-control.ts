import { definePlugin } from "../plugin/plugin.ts";
import type { PluginHandlers } from "../plugin/plugin.ts";

export const proxyControl = definePlugin({
  name: "proxy-control",
  summary: "Holds requests back until their body is there, so that slow clients do not keep nodes busy, or does not.",
  priority: 21990,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      request_buffering: {
        type: "boolean",
        default: true,
        $comment: "Whether the body is read, up to 1 MiB of it, before the request goes to a node.",
      },
    },
  },

  compile(conf): PluginHandlers {
    if (!conf.request_buffering) return {};
    return {
      before_proxy(ctx) {
        ctx.upstream.bufferBody = true;
      },
    };
  },
});

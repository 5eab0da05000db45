import type { RequestContext } from "../plugin/context.ts";
import { definePlugin, reply, type PluginEnv, type PluginHandlers, type Reply } from "../plugin/plugin.ts";

/** Which plugin answers what by itself. */
const offers = new Map([
  ["/apisix/batch-requests", "batch-requests"],
  ["/apisix/prometheus/metrics", "prometheus"],
  ["/apisix/status", "node-status"],
]);

type Api = (ctx: RequestContext) => Reply | Promise<Reply>;

export const publicApi = definePlugin({
  name: "public-api",
  summary: "Leads requests to what another plugin answers by itself, such as `/apisix/batch-requests`.",
  priority: 501,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      uri: { type: "string", $comment: "Path of the plugin's API; without it the path of the request." },
    },
  },

  compile(conf, env): PluginHandlers {
    const missing = reply(404);
    const plugins = new Map<string, PluginHandlers>();
    const { uri } = conf;
    if (uri !== undefined) {
      const api = apiAt(uri, plugins, env);
      return { access: api ?? (() => missing), dispose: () => disposeAll(plugins) };
    }
    const apis = new Map<string, Api>();
    for (const path of offers.keys()) {
      const api = availableAt(path, plugins, env);
      if (api !== undefined) apis.set(path, api);
    }
    return {
      access: (ctx) => apis.get(ctx.uri)?.(ctx) ?? missing,
      dispose: () => disposeAll(plugins),
    };
  },
});

/** The API of that path; `undefined`: no plugin has it. Throws where its plugin is not available. */
function apiAt(path: string, plugins: Map<string, PluginHandlers>, env: PluginEnv): Api | undefined {
  const name = offers.get(path);
  if (name === undefined) return undefined;
  const plugin = plugins.get(name) ?? env.compileOther(name, {});
  plugins.set(name, plugin);
  return plugin.publicApis?.get(path);
}

function availableAt(path: string, plugins: Map<string, PluginHandlers>, env: PluginEnv): Api | undefined {
  try {
    return apiAt(path, plugins, env);
  } catch {
    // Nobody has asked for it by name.
    return undefined;
  }
}

function disposeAll(plugins: ReadonlyMap<string, PluginHandlers>): void {
  for (const plugin of plugins.values()) plugin.dispose?.();
}

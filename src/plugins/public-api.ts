import type { RequestContext } from "../plugin/context.ts";
import { definePlugin, reply, type PluginEnv, type PluginHandlers, type Reply } from "../plugin/plugin.ts";

/** Which plugin answers what by itself, unless it is given another path. */
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
    // A configuration that names what is not there is told so.
    const named = uri === undefined ? undefined : offers.get(uri);
    if (named !== undefined) plugins.set(named, env.compileOther(named, {}));
    const apis = new Map<string, Api>();
    for (const name of new Set(offers.values())) {
      for (const [path, api] of apisOf(name, plugins, env)) apis.set(path, api);
    }
    const dispose = (): void => disposeAll(plugins);
    if (uri !== undefined) return { access: apis.get(uri) ?? (() => missing), dispose };
    return { access: (ctx) => apis.get(ctx.uri)?.(ctx) ?? missing, dispose };
  },
});

/** What a plugin answers by itself, by path; nothing where it is not available and nobody has asked for it. */
function apisOf(name: string, plugins: Map<string, PluginHandlers>, env: PluginEnv): ReadonlyMap<string, Api> {
  try {
    const plugin = plugins.get(name) ?? env.compileOther(name, {});
    plugins.set(name, plugin);
    return plugin.publicApis ?? new Map();
  } catch {
    return new Map();
  }
}

function disposeAll(plugins: ReadonlyMap<string, PluginHandlers>): void {
  for (const plugin of plugins.values()) plugin.dispose?.();
}

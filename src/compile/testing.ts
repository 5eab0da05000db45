import type { Consumer, RequestContext } from "../plugin/context.ts";
import type { PluginDefinition, PluginHandlers } from "../plugin/plugin.ts";
import type { Change, Kind } from "../schema/kinds.ts";
import type { Settings } from "../settings/settings.ts";
import { createEngine, type WorkerEngine } from "./engine.ts";
import type { Plan } from "./plan.ts";

/** What the tests of this room build engines, resources and requests with. */

/** A request that has only what matching reads; the query stands in `uri`. */
export function request(fields: {
  readonly uri: string;
  readonly host?: string;
  readonly method?: string;
  readonly remoteAddr?: string;
  readonly headers?: Readonly<Record<string, string>>;
}): RequestContext {
  const { uri: target, host = "", method = "GET", remoteAddr = "127.0.0.1", headers = {} } = fields;
  const [uri = "", query = ""] = target.split("?");
  const read = {
    target,
    uri,
    routePath: uri,
    bodyFor: () => null,
    query,
    host,
    method,
    remoteAddr,
    scheme: "http",
    tls: null,
    values: new Map<string, unknown>(),
    header: (name: string) => headers[name],
    argument: (name: string) => new URLSearchParams(query).get(name) ?? undefined,
  };
  return read as unknown as RequestContext;
}

/** A change that sets a resource, with its id inside. */
export function change(kind: Kind, id: string, value: object): Change {
  return { kind, id, text: JSON.stringify({ id, ...value }) };
}

/** A change that removes a resource. */
export function removal(kind: Kind, id: string): Change {
  return { kind, id, text: null };
}

/** An upstream as control passes it on: defaults filled in. */
export function upstream(fields: object = {}): object {
  return {
    type: "roundrobin",
    scheme: "http",
    pass_host: "pass",
    hash_on: "vars",
    nodes: { "127.0.0.1:1980": 1 },
    ...fields,
  };
}

/** A route with `uri` `/` and an inline upstream unless the fields say otherwise. */
export function route(id: string, fields: object = {}): Change {
  return change("routes", id, { uri: "/", priority: 0, status: 1, upstream: upstream(), ...fields });
}

export const routerSettings: Pick<Settings, "router" | "upstream" | "pluginAttr" | "trustedCertificates"> = {
  router: "radixtree_host_uri",
  upstream: { keepalive: 320, keepaliveRequests: 1000, keepaliveTimeoutMs: 60_000, maxHead: 4_096, serverName: true },
  pluginAttr: {},
  trustedCertificates: null,
};

/** One call of a plugin's `compile` or `dispose`. */
export type Trace = string[];

/**
 * A plugin that notes `compile` and `dispose` in `trace` and has a handler in every
 * phase that notes its name and the `tag` of its configuration.
 */
export function tracingPlugin(name: string, priority: number, trace: Trace, more: object = {}): PluginDefinition {
  return {
    name,
    priority,
    version: "1.0",
    schema: { type: "object" },
    compile(conf): PluginHandlers {
      const tag = `${name}:${(conf as { tag?: string }).tag ?? ""}`;
      if (tag.endsWith(":fails")) throw new Error("cannot work");
      trace.push(`compile ${tag}`);
      const note = (phase: string): void => void trace.push(`${phase} ${tag}`);
      return {
        rewrite: () => note("rewrite"),
        access: () => note("access"),
        header_filter: () => note("header_filter"),
        log: () => note("log"),
        dispose: () => note("dispose"),
      };
    },
    ...more,
  };
}

/** An engine with plugins, and what it logged. */
export function engineWith(
  plugins: readonly PluginDefinition[] = [],
  settings: Partial<typeof routerSettings> = {},
): { readonly engine: WorkerEngine; readonly logged: string[] } {
  const logged: string[] = [];
  const log = { warn: (text: string) => void logged.push(text), error: (text: string) => void logged.push(text) };
  const registry = new Map(plugins.map((plugin) => [plugin.name, plugin]));
  return { engine: createEngine({ settings: { ...routerSettings, ...settings }, plugins: registry, log }), logged };
}

/** Names and tags in the order in which a phase runs them. */
export function runPhase(plan: Plan, phase: "rewrite" | "access" | "consumerRewrite", trace: Trace): readonly string[] {
  trace.length = 0;
  for (const { run } of plan[phase] ?? []) void run(request({ uri: "/" }));
  return trace.map((line) => line.slice(line.indexOf(" ") + 1));
}

/** A consumer that no index made. */
export function consumer(username: string, plugins: Readonly<Record<string, unknown>>): Consumer {
  return { username, groupId: null, customId: null, credentialId: null, authConf: {}, plugins };
}

import type { RequestContext } from "../plugin/context.ts";
import { compileExpression, variablesIn } from "../plugin/expression.ts";
import type { PluginRegistry } from "../plugin/plugin.ts";
import type { ConsumerGroup } from "../schema/consumer-group.ts";
import type { ConsumerResource } from "../schema/consumer.ts";
import type { GlobalRule } from "../schema/global-rule.ts";
import type { PluginConfig } from "../schema/plugin-config.ts";
import type { PluginConf, Plugins } from "../schema/plugins.ts";
import type { Route } from "../schema/route.ts";
import type { Service } from "../schema/service.ts";
import type { InlineUpstream } from "../schema/upstream.ts";
import { isTold } from "./described-request.ts";
import type { LoadedResources } from "./explain.ts";
import { byPriority } from "./phases.ts";

/** A plugin that runs for a request, as far as can be told, and where its configuration stands. */
export interface ExplainedPlugin {
  readonly name: string;
  /** The resource that has it: `routes/1`, `services/1`, `global_rules/1`, … */
  readonly from: string;
  readonly priority: number;
  readonly conf: PluginConf;
}

/** A plugin's configuration that does not count. */
export interface SupersededPlugin {
  readonly name: string;
  readonly from: string;
  /** Why: another resource has the plugin, it is disabled, its filter does not hold, or nobody finds the consumer who has it. */
  readonly why: string;
}

/** What is done with a request that a route has taken. */
export interface ExplainedPlan {
  /** In the order in which they run within a phase: global rules, then the rest by priority. */
  readonly plugins: readonly ExplainedPlugin[];
  readonly superseded: readonly SupersededPlugin[];
  /** Settings beside plugins, by name, with the resource each comes from. */
  readonly settings: Readonly<Record<string, { readonly value: unknown; readonly from: string }>>;
  /** `null`: there is nothing to proxy to. */
  readonly upstream: { readonly from: string; readonly conf: InlineUpstream } | null;
  /** Whether a plugin may find out who the consumer is. */
  readonly authenticates: boolean;
  /** What cannot be had: a service or plugin config that is not there. */
  readonly missing: readonly string[];
}

/** One resource's plugins, from the weakest to the strongest. */
interface Layer {
  readonly from: string;
  readonly plugins: Plugins | undefined;
}

/** What the plan is made of beside the resources. */
export interface PlanParts {
  readonly resources: LoadedResources;
  readonly registry: PluginRegistry;
  /** A consumer's name, as an authentication plugin would find it; `null`: nobody has authenticated. */
  readonly consumer: string | null;
  /** The request, with its route where it has one. */
  readonly request: RequestContext;
}

/**
 * The merged plan of a route, as the workers compile it: a plugin is taken whole from
 * the strongest resource that has it (consumer, its group, route, plugin config, service).
 */
export function explainPlan(route: Route, parts: PlanParts): ExplainedPlan {
  const { resources, registry, consumer } = parts;
  const missing: string[] = [];
  const find = <T>(kind: "services" | "plugin_configs", id: string | undefined): T | undefined => {
    const found = id === undefined ? undefined : (resources.get(kind, id) as T | undefined);
    if (id !== undefined && found === undefined) missing.push(`${kind}/${id}`);
    return found;
  };
  const service = find<Service>("services", route.service_id);
  const config = find<PluginConfig>("plugin_configs", route.plugin_config_id);
  const layers: readonly Layer[] = [
    { from: `services/${route.service_id ?? ""}`, plugins: service?.plugins },
    { from: `plugin_configs/${route.plugin_config_id ?? ""}`, plugins: config?.plugins },
    { from: `routes/${route.id}`, plugins: route.plugins },
  ];
  const before = [...globalPlugins(parts, []), ...merge(layers, parts).plugins];
  const authenticates = before.some(({ name }) => registry.get(name)?.type === "auth");
  const brought = consumerLayers(resources, registry, consumer, missing);
  const { plugins, superseded } = merge(authenticates ? [...layers, ...brought] : layers, parts);
  for (const { from, plugins: idle = {} } of authenticates ? [] : brought) {
    for (const name of Object.keys(idle)) superseded.push({ name, from, why: "nothing authenticates the consumer" });
  }
  const upstream = upstreamOf(route, service, resources, missing);
  return {
    plugins: [...globalPlugins(parts, superseded), ...plugins],
    superseded,
    settings: settingsOf(route, service, upstream),
    upstream,
    authenticates,
    missing,
  };
}

/** What is done with a request that no route takes: global rules run all the same. */
export function explainNoRoute(parts: Omit<PlanParts, "consumer">): ExplainedPlan {
  const superseded: SupersededPlugin[] = [];
  const plugins = globalPlugins(parts, superseded);
  return { plugins, superseded, settings: {}, upstream: null, authenticates: false, missing: [] };
}

/** Authentication plugins say who the consumer is and are taken over from nobody. */
function consumerLayers(
  resources: LoadedResources,
  registry: PluginRegistry,
  name: string | null,
  missing: string[],
): readonly Layer[] {
  if (name === null) return [];
  const consumer = resources.get("consumers", name) as ConsumerResource | undefined;
  if (consumer === undefined) {
    missing.push(`consumers/${name}`);
    return [];
  }
  const id = consumer.group_id ?? "";
  const group = resources.get("consumer_groups", id) as ConsumerGroup | undefined;
  const others = (plugins: Plugins = {}): Plugins =>
    Object.fromEntries(Object.entries(plugins).filter(([plugin]) => registry.get(plugin)?.type !== "auth"));
  return [
    { from: `consumer_groups/${id}`, plugins: others(group?.plugins) },
    { from: `consumers/${name}`, plugins: others(consumer.plugins) },
  ];
}

function merge(
  layers: readonly Layer[],
  { registry, request }: Pick<PlanParts, "registry" | "request">,
): { plugins: readonly ExplainedPlugin[]; superseded: SupersededPlugin[] } {
  const taken = new Map<string, ExplainedPlugin>();
  const superseded: SupersededPlugin[] = [];
  for (const { from, plugins = {} } of layers) {
    for (const [name, conf] of Object.entries(plugins)) {
      const weaker = taken.get(name);
      if (weaker !== undefined) superseded.push({ name, from: weaker.from, why: `${from} has this plugin, too` });
      taken.set(name, explainPlugin(name, from, conf, registry));
    }
  }
  return { plugins: running([...taken.values()], superseded, request), superseded };
}

function globalPlugins(
  { resources, registry, request }: Omit<PlanParts, "consumer">,
  superseded: SupersededPlugin[],
): readonly ExplainedPlugin[] {
  const plugins = resources.ids("global_rules").flatMap((id) => {
    const rule = resources.get("global_rules", id) as GlobalRule | undefined;
    return Object.entries(rule?.plugins ?? {}).map(([name, conf]) =>
      explainPlugin(name, `global_rules/${id}`, conf, registry),
    );
  });
  return running(plugins, superseded, request);
}

/** Those that run, in their order; the others are added to `superseded`. */
function running(
  plugins: readonly ExplainedPlugin[],
  superseded: SupersededPlugin[],
  request: RequestContext,
): readonly ExplainedPlugin[] {
  return plugins.toSorted(byPriority).filter(({ name, from, conf }) => {
    const why = whyNot(conf, request);
    if (why !== null) superseded.push({ name, from, why });
    return why === null;
  });
}

/** Why the plugin does not run; a filter over what is not told of the request is taken to let it by. */
function whyNot({ _meta: meta }: PluginConf, request: RequestContext): string | null {
  if (meta?.disable === true) return "it is disabled";
  const filter = meta?.filter ?? [];
  const told = variablesIn(filter).every(isTold);
  return told && !compileExpression(filter)(request) ? `its filter ${JSON.stringify(filter)} does not hold` : null;
}

function explainPlugin(name: string, from: string, conf: PluginConf, registry: PluginRegistry): ExplainedPlugin {
  return { name, from, priority: conf._meta?.priority ?? registry.get(name)?.priority ?? 0, conf };
}

function settingsOf(
  route: Route,
  service: Service | undefined,
  upstream: ExplainedPlan["upstream"],
): ExplainedPlan["settings"] {
  const own = `routes/${route.id}`;
  const inherited = `services/${service?.id ?? ""}`;
  const settings: Record<string, { value: unknown; from: string }> = {};
  const hosts = route.hosts ?? (route.host === undefined ? undefined : [route.host]);
  if (hosts !== undefined) settings["hosts"] = { value: hosts, from: own };
  else if (service?.hosts !== undefined) settings["hosts"] = { value: service.hosts, from: inherited };
  if (route.timeout !== undefined) settings["timeout"] = { value: route.timeout, from: own };
  else if (upstream?.conf.timeout !== undefined) {
    settings["timeout"] = { value: upstream.conf.timeout, from: upstream.from };
  }
  if (route.enable_websocket !== undefined) settings["enable_websocket"] = { value: route.enable_websocket, from: own };
  else if (service?.enable_websocket !== undefined) {
    settings["enable_websocket"] = { value: service.enable_websocket, from: inherited };
  }
  return settings;
}

/** The route's upstream, else the service's; in both an id is taken before an inline upstream. */
function upstreamOf(
  route: Route,
  service: Service | undefined,
  resources: LoadedResources,
  missing: string[],
): ExplainedPlan["upstream"] {
  for (const [holder, from] of [
    [route, `routes/${route.id}`],
    [service, `services/${service?.id ?? ""}`],
  ] as const) {
    const id = holder?.upstream_id;
    if (id !== undefined) {
      const conf = resources.get("upstreams", id) as InlineUpstream | undefined;
      if (conf === undefined) missing.push(`upstreams/${id}`);
      return conf === undefined ? null : { from: `upstreams/${id}`, conf };
    }
    if (holder?.upstream !== undefined) return { from, conf: holder.upstream };
  }
  return null;
}

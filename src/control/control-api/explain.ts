import { describeRequest, isTold, type DescribedRequest, type PathSettings } from "../../compile/described-request.ts";
import { explainNoRoute, explainPlan, type ExplainedPlan } from "../../compile/explain-plan.ts";
import type { ExplainTable, NearMiss } from "../../compile/explain.ts";
import type { RouteEntry } from "../../compile/route-entry.ts";
import { compileUpstream } from "../../compile/upstreams.ts";
import { reasonOf } from "../../lib/errors.ts";
import type { Consumer, RequestContext, RouteInfo } from "../../plugin/context.ts";
import { encryptFieldsOf, type PluginRegistry } from "../../plugin/plugin.ts";
import { parseTemplate } from "../../plugin/template-parts.ts";
import type { ConsumerResource } from "../../schema/consumer.ts";
import type { Route } from "../../schema/route.ts";
import type { Service } from "../../schema/service.ts";
import { isSecretName, MASK } from "../../schema/secret-names.ts";
import type { InlineUpstream } from "../../schema/upstream.ts";
import type { Settings } from "../../settings/settings.ts";
import type { LoadedView } from "../../store/loaded-view.ts";
import type { Targets } from "../../upstream/targets.ts";
import { NodeTlsSource, TrustedAuthorities } from "../../upstream/node-tls.ts";
import type { NodeHealth, Upstream } from "../../upstream/upstream.ts";
import { refuse, type ControlAnswer, type ControlRequest } from "./endpoint.ts";
import { readExplainRequest } from "./explain-request.ts";
import type { HealthNode } from "./healthcheck.ts";

/** What `/v1/explain` reads. */
export interface ExplainDeps {
  readonly loaded: Promise<LoadedView>;
  /** The routes of what is loaded now. */
  routes(): Promise<ExplainTable>;
  readonly registry: PluginRegistry;
  readonly settings: PathSettings & Pick<Settings, "upstream">;
  /** Addresses of names, and nodes of services, as they are known now. */
  readonly targets: Targets;
  /** The health of the node `address` of the upstream in the resource `key`; `null` where it is not checked. */
  nodeHealth(key: string, address: string): HealthNode["status"] | null;
}

/**
 * Answers `POST /v1/explain` with a request in JSON, or `GET /v1/explain?path=/x&method=GET&…`:
 * which route takes it and why others do not, the merged plan, and where it would go.
 */
export async function explain(
  deps: ExplainDeps,
  method: "GET" | "POST",
  asked: ControlRequest,
): Promise<ControlAnswer> {
  const read = readExplainRequest(method, asked);
  if ("error" in read) return refuse(400, read.error);
  const { request, consumer } = read;
  const ctx = describeRequest(request, deps.settings);
  if (ctx === null) return refuse(400, `path: ${request.target} is refused with 400 before it is routed`);
  const resources = await deps.loaded;
  const table = await deps.routes();
  const { matched, near, nearCount } = table.explain(ctx);
  const shown = {
    revision: resources.revision,
    request: requestRow(request, ctx),
    matched: matched === null ? null : routeRow(matched),
    near_misses: near.map(nearRow),
    near_misses_total: nearCount,
  };
  const { registry } = deps;
  if (matched === null) {
    const rows = planRows(explainNoRoute({ resources, registry, request: ctx }), registry);
    return { status: 200, body: { ...shown, ...rows, answer: "404 Route Not Found" } };
  }
  const route = JSON.parse(matched.text) as Route;
  const routed = { ...ctx, route: routeOf(route, resources) };
  const plan = explainPlan(route, { resources, registry, consumer, request: routed });
  const known = plan.authenticates ? consumerOf(consumer, resources) : null;
  const upstream = upstreamRow(deps, plan, { ...routed, consumer: known });
  return { status: 200, body: { ...shown, ...planRows(plan, registry), upstream } };
}

/** The route as variables of its requests name it. */
function routeOf({ id, name = "", service_id: serviceId = "" }: Route, resources: LoadedView): RouteInfo {
  const service = resources.get("services", serviceId) as Service | undefined;
  return { id, name, serviceId, serviceName: service?.name ?? "" };
}

/** The consumer of that name as variables tell of it; `null` where there is none. */
function consumerOf(name: string | null, resources: LoadedView): Consumer | null {
  const conf = name === null ? undefined : (resources.get("consumers", name) as ConsumerResource | undefined);
  if (conf === undefined) return null;
  const { username, group_id: groupId = null } = conf;
  return { username, groupId, customId: null, credentialId: null, authConf: {}, plugins: {} };
}

function requestRow(request: DescribedRequest, ctx: RequestContext): object {
  const { method, target, scheme, remoteAddr } = request;
  return { method, target, path: ctx.routePath, host: ctx.host, scheme, remote_addr: remoteAddr };
}

function routeRow({ id, uris, hosts, priority, text }: RouteEntry): object {
  const { name } = JSON.parse(text) as Route;
  return { route: `routes/${id}`, ...(name === undefined ? {} : { name }), uris, hosts, priority };
}

function nearRow({ entry, misses }: NearMiss): object {
  return { ...routeRow(entry), because: misses };
}

function planRows({ plugins, superseded, settings, missing }: ExplainedPlan, registry: PluginRegistry): object {
  return {
    plugins: plugins.map(({ name, from, priority, conf }) => ({
      name,
      from,
      priority,
      // A consumer that authenticates may bring plugins of its own.
      ...(registry.get(name)?.type === "auth" ? { authenticates: true } : {}),
      conf: masked(conf, secretsOf(name, registry), ""),
    })),
    superseded,
    settings,
    ...(missing.length === 0 ? {} : { missing }),
  };
}

/** Paths of what is secret in a plugin's configuration. */
function secretsOf(name: string, registry: PluginRegistry): ReadonlySet<string> {
  const plugin = registry.get(name);
  return new Set(plugin === undefined ? [] : encryptFieldsOf(plugin, "conf"));
}

/** A configuration without what could be secret; `key` is often the name of a variable. */
function masked(value: unknown, secrets: ReadonlySet<string>, path: string): unknown {
  if (Array.isArray(value)) return value.map((item) => masked(item, secrets, path));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => {
      const inner = path === "" ? name : `${path}.${name}`;
      const secret = secrets.has(inner) || (isSecretName(name) && name !== "key");
      const hide = secret && field !== "" && (typeof field === "string" || typeof field === "number");
      return [name, hide ? MASK : masked(field, secrets, inner)];
    }),
  );
}

/** Where the request goes. Which of several nodes has its turn is a matter of each worker, but for `chash`. */
function upstreamRow(deps: ExplainDeps, plan: ExplainedPlan, ctx: RequestContext): object | null {
  const { upstream } = plan;
  if (upstream === null) return null;
  const { from, conf } = upstream;
  const { type, scheme, pass_host, upstream_host, service_name, discovery_type } = conf;
  const row = {
    from,
    type,
    scheme,
    pass_host,
    ...(pass_host === "rewrite" && { upstream_host }),
    ...(service_name === undefined ? {} : { service_name, discovery_type }),
  };
  const compiled = compile(from, conf, deps);
  if (typeof compiled === "string") return { ...row, error: compiled, nodes: [], node: null, candidates: [] };
  const { nodes, picker } = compiled;
  const weighted = nodes.filter(({ weight }) => weight > 0);
  const healthy = weighted.filter(({ health }) => health?.usable !== false);
  // Where not a single node is healthy all of them are used.
  const usable = healthy.length > 0 ? healthy : weighted;
  const highest = Math.max(...usable.map(({ priority }) => priority));
  const candidates = usable.filter(({ priority }) => priority === highest).map(({ identity }) => identity);
  const certain = candidates.length === 1 || (type === "chash" && isForetold(conf, ctx, plan.authenticates));
  return {
    ...row,
    nodes: nodes.map(({ identity, weight, priority }) => ({
      address: identity,
      weight,
      priority,
      health: deps.nodeHealth(from, identity),
    })),
    node: certain ? (picker.pick([], ctx)?.identity ?? null) : null,
    candidates,
  };
}

/** Whether what `chash` hashes is known. `authenticates`: a consumer may still be found. */
function isForetold(conf: InlineUpstream, { consumer }: RequestContext, authenticates: boolean): boolean {
  const { hash_on: on, key = "" } = conf;
  const told = consumer !== null || !authenticates;
  if (on === "consumer") return told;
  const names = on === "vars" ? [key] : on === "vars_combinations" ? namesIn(key) : [];
  return names.every((name) => isTold(name) || (told && name.startsWith("consumer_")));
}

const namesIn = (template: string): readonly string[] =>
  parseTemplate(template, "apisix").flatMap(({ name }) => name ?? []);

/** The upstream as workers have it, under a key of its own: it must not take turns from anybody. */
function compile(from: string, conf: InlineUpstream, deps: ExplainDeps): Upstream | string {
  const health = (address: string): NodeHealth | null => {
    const status = deps.nodeHealth(from, address);
    const usable = status === "healthy" || status === "mostly_healthy";
    return status === null
      ? null
      : { usable, answered: () => undefined, connected: () => undefined, failed: () => undefined };
  };
  const surroundings = {
    defaults: deps.settings.upstream,
    targets: deps.targets,
    health: () => (_: string, at: string) => health(at),
    tls: noTls,
    clientCertificate: () => "nothing is connected to",
  };
  try {
    return compileUpstream(`explain ${from}`, conf, surroundings);
  } catch (error) {
    return reasonOf(error);
  }
}

const noTls = new NodeTlsSource(new TrustedAuthorities(null));

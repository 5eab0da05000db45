import { describeRequest, type DescribedRequest, type PathSettings } from "../../compile/described-request.ts";
import { explainPlan, type ExplainedPlan } from "../../compile/explain-plan.ts";
import type { ExplainTable, NearMiss } from "../../compile/explain.ts";
import type { RouteEntry } from "../../compile/route-entry.ts";
import { compileUpstream, servesHttp, type UpstreamSurroundings } from "../../compile/upstreams.ts";
import { reasonOf } from "../../lib/errors.ts";
import type { RequestContext } from "../../plugin/context.ts";
import type { PluginRegistry } from "../../plugin/plugin.ts";
import type { Route } from "../../schema/route.ts";
import { isSecretName, MASK } from "../../schema/secret-names.ts";
import type { InlineUpstream } from "../../schema/upstream.ts";
import type { Settings } from "../../settings/settings.ts";
import type { LoadedView } from "../../store/loaded-view.ts";
import { refuse, type ControlAnswer, type ControlRequest } from "./endpoint.ts";
import { readExplainRequest } from "./explain-request.ts";
import type { HealthReport } from "./healthcheck.ts";

/** What `/v1/explain` reads. */
export interface ExplainDeps {
  readonly loaded: Promise<LoadedView>;
  /** The routes of what is loaded now. */
  routes(): Promise<ExplainTable>;
  readonly registry: PluginRegistry;
  readonly settings: PathSettings & Pick<Settings, "upstream">;
  /** What stands before the keys in `HealthReport.name`. */
  readonly prefix: string;
  readonly health: () => readonly HealthReport[] | Promise<readonly HealthReport[]>;
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
  if (matched === null) return { status: 200, body: { ...shown, answer: "404 Route Not Found" } };
  const plan = explainPlan(JSON.parse(matched.text) as Route, { resources, registry: deps.registry, consumer });
  return { status: 200, body: { ...shown, ...planRows(plan, deps.registry), upstream: await upstreamRow(deps, plan) } };
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
      conf: masked(conf),
    })),
    superseded,
    settings,
    ...(missing.length === 0 ? {} : { missing }),
  };
}

/** A configuration without what could be secret. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== "object" || value === null) return value;
  const mask = (name: string, field: unknown): unknown =>
    isSecretName(name) && typeof field === "string" && field !== "" ? MASK : masked(field);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, mask(name, field)]));
}

/** Where the request goes. Which of several nodes has its turn is a matter of each worker. */
async function upstreamRow(deps: ExplainDeps, { upstream }: ExplainedPlan): Promise<object | null> {
  if (upstream === null) return null;
  const { from, conf } = upstream;
  const { type, scheme, pass_host, service_name, discovery_type } = conf;
  const row = { from, type, scheme, pass_host };
  if (service_name !== undefined) return { ...row, service_name, discovery_type, nodes: [], node: null };
  const nodes = nodesOf(from, conf, deps.settings.upstream);
  if (typeof nodes === "string") return { ...row, error: nodes, nodes: [], node: null };
  const report = (await deps.health()).find(({ name }) => name === `${deps.prefix}/${from}`);
  const rows = nodes.map((node) => {
    const health = report?.nodes.find(
      ({ hostname, ip, port }) => [hostname, ip].includes(node.host) && port === node.port,
    );
    return { address: node.address, weight: node.weight, priority: node.priority, health: health?.status ?? null };
  });
  const usable = rows.filter(({ weight, health }) => weight > 0 && health !== "unhealthy");
  const highest = Math.max(...usable.map(({ priority }) => priority));
  const picked = usable.filter(({ priority }) => priority === highest).map(({ address }) => address);
  return { ...row, nodes: rows, node: picked.length === 1 ? picked[0] : null, candidates: picked };
}

/** What names stand for is known to the workers; here they are shown as they are written. */
const NAMES: UpstreamSurroundings["targets"] = new Map();

function nodesOf(
  from: string,
  conf: InlineUpstream,
  defaults: Settings["upstream"],
): ReturnType<typeof compileUpstream>["nodes"] | string {
  if (!servesHttp(conf)) return `scheme ${conf.scheme} cannot serve HTTP routes`;
  try {
    return compileUpstream(`explain ${from}`, conf, { defaults, targets: NAMES, health: null }).nodes;
  } catch (error) {
    return reasonOf(error);
  }
}

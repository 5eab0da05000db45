import type { LoadedView } from "../../store/loaded-view.ts";
import type { Kind } from "../../schema/kinds.ts";
import { page, refuse, type ControlAnswer, type ControlRequest, type Endpoint } from "./endpoint.ts";
import { healthPage } from "./health-page.ts";

/** What the health checks of one upstream have found, in APISIX's form. */
export interface HealthReport {
  /** `/apisix/upstreams/1`: the key of the resource that holds the upstream. */
  readonly name: string;
  readonly type: "http" | "https" | "tcp";
  readonly nodes: readonly HealthNode[];
}

export interface HealthNode {
  readonly hostname: string;
  readonly ip: string;
  readonly port: number;
  readonly status: "healthy" | "unhealthy" | "mostly_healthy" | "mostly_unhealthy";
  readonly counter: {
    readonly success: number;
    readonly http_failure: number;
    readonly tcp_failure: number;
    readonly timeout_failure: number;
  };
}

/** What the endpoints of health checks read. */
export interface HealthDeps {
  readonly loaded: Promise<LoadedView>;
  /** What stands before the keys in `HealthReport.name`. */
  readonly prefix: string;
  /** Every upstream that is checked. */
  reports(): readonly HealthReport[] | Promise<readonly HealthReport[]>;
}

const sources: readonly string[] = ["routes", "services", "upstreams", "stream_routes"];

/** `GET /v1/healthcheck` and `GET /v1/healthcheck/{kind}/{id}`. */
export function healthEndpoints(deps: HealthDeps): readonly Endpoint[] {
  return [
    {
      method: "GET",
      path: "/v1/healthcheck",
      async answer({ wantsPage }) {
        const reports = await deps.reports();
        return wantsPage ? page(healthPage(reports)) : { status: 200, body: reports };
      },
    },
    { method: "GET", path: "/v1/healthcheck/", answer: (request) => reportOf(deps, request) },
  ];
}

async function reportOf(
  { loaded, prefix, reports }: HealthDeps,
  { rest, wantsPage }: ControlRequest,
): Promise<ControlAnswer> {
  const [kind, id] = rest;
  if (kind === undefined) return refuse(404, "missing src type and src id: expected /v1/healthcheck/<kind>/<id>");
  if (id === undefined) return refuse(404, `missing src id for src type ${kind}`);
  if (!sources.includes(kind)) return refuse(400, `invalid src type ${kind}`);
  if ((await loaded).get(kind as Kind, id) === undefined) return refuse(404, `${kind}[${id}] not found`);
  const name = `${prefix}/${kind}/${id}`;
  const report = (await reports()).find((one) => one.name === name);
  if (report === undefined) return refuse(404, `no checker for ${kind}[${id}]`);
  return wantsPage ? page(healthPage([report])) : { status: 200, body: report };
}

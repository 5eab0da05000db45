import type { HealthDeps } from "./healthcheck.ts";
import { healthEndpoints } from "./healthcheck.ts";
import { discoveryEndpoints, type DiscoveryDeps } from "./discovery.ts";
import { drainEndpoints } from "./drain.ts";
import type { Endpoint } from "./endpoint.ts";
import type { ExplainDeps } from "./explain.ts";
import { faultEndpoints, type FaultActions } from "./faults.ts";
import type { UserPluginTable } from "../../plugins/user/user-plugin-table.ts";
import { resourceEndpoints, type ResourcesDeps } from "./resources.ts";
import { schemaEndpoints } from "./schema.ts";
import { upkeepEndpoints } from "./upkeep.ts";

/** What the Control API can tell and do. */
export interface ControlDeps extends ResourcesDeps, ExplainDeps, DiscoveryDeps {
  drain(on: boolean): void;
  /** Reads the plugins of users anew; resolves once what was found is given to the workers. */
  reloadPlugins(): Promise<void>;
  /** `null` unless faults are turned on (`TURNPIKE_FAULTS`). */
  readonly faults: FaultActions | null;
  /** Names of the enabled plugins. */
  readonly plugins: readonly string[];
  /** The plugins of users, which are enabled too. */
  readonly users: UserPluginTable;
  /** Names of those for streams. */
  readonly streamPlugins: readonly string[];
  /** What the health checks have found. */
  readonly health: HealthDeps["reports"];
}

/** Every endpoint of the Control API. */
export function controlEndpoints(deps: ControlDeps): readonly Endpoint[] {
  return [
    ...resourceEndpoints(deps),
    ...healthEndpoints({ ...deps, reports: deps.health }),
    ...discoveryEndpoints(deps),
    ...schemaEndpoints(deps),
    ...explainEndpoints(deps),
    ...upkeepEndpoints(() => deps.reloadPlugins()),
    ...drainEndpoints(deps.drain),
    ...faultEndpoints(deps.faults),
  ];
}

/** `/v1/explain`; what it takes is loaded once somebody asks. */
function explainEndpoints(deps: ExplainDeps): readonly Endpoint[] {
  return (["GET", "POST"] as const).map((method) => ({
    method,
    path: "/v1/explain",
    async answer(request) {
      const { explain } = await import("./explain.ts");
      return await explain(deps, method, request);
    },
  }));
}

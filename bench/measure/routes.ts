import { oneRoute } from "../harness/gateway.ts";
import { manyRoutes } from "../harness/many-routes.ts";
import { compare, comparisonTable } from "../harness/pairs.ts";
import { PROXY_CORE } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";

/** The same requests over one route and over 50,000. */
export const routes: Measurement = {
  name: "routes",
  tools: ["nginx", "wrk"],
  async run(stage) {
    const origin = await stage.origin();
    const one = await stage.turnpike({
      core: PROXY_CORE,
      name: "Turnpike, 1 route",
      standalone: oneRoute(origin.port),
    });
    const many = await stage.turnpike({
      core: PROXY_CORE,
      name: "Turnpike, 50,000 routes",
      provider: "json",
      standalone: manyRoutes("json", origin.port),
    });
    const load = { script: "many.lua" };
    const comparison = await compare(
      [one, many].map((program) => ({ program, load })),
      stage.extent,
    );
    return {
      tables: [
        comparisonTable("Proxied GET of 12 bytes, 10,000 different hosts and paths", comparison, {
          notes: ["Both gateways get the same requests, which ask for 10,000 of the 50,000 routes in turn."],
        }),
      ],
    };
  },
};

import { oneRoute } from "../harness/gateway.ts";
import { compare, comparisonTable, ratio } from "../harness/pairs.ts";
import { PROXY_CORE } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { ratioCell } from "../harness/table.ts";

/** The plain GET with heads of which no two are equal, in both directions. */
export const varying: Measurement = {
  name: "varying",
  tools: ["nginx", "haproxy", "wrk"],
  async run(stage) {
    const origin = await stage.origin();
    const nginx = await stage.nginx(origin);
    const turnpike = await stage.turnpike({ core: PROXY_CORE, standalone: oneRoute(origin.port) });
    const haproxy = await stage.haproxy(origin);
    const load = { script: "varying.lua" };
    const comparison = await compare(
      [nginx, turnpike, haproxy].map((program) => ({ program, load })),
      stage.extent,
    );
    return {
      headline: `CPU per proxied request vs nginx, every head different: ${ratioCell(ratio(comparison, 1))}`,
      tables: [
        comparisonTable("Proxied GET of 12 bytes, every head different", comparison, {
          references: [0, 2],
          notes: ["Path, query and a header of each request differ, and a header of each answer."],
        }),
      ],
    };
  },
};

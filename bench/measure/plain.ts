import { oneRoute } from "../harness/gateway.ts";
import { compare, comparisonTable, ratio } from "../harness/pairs.ts";
import { PROXY_CORE } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { ratioCell } from "../harness/table.ts";

/** A proxied GET of 12 bytes over one route without plugins: what a byte-level relay costs. */
export const plain: Measurement = {
  name: "plain",
  tools: ["nginx", "haproxy", "wrk"],
  async run(stage) {
    const origin = await stage.origin();
    const nginx = await stage.nginx(origin);
    const turnpike = await stage.turnpike({ core: PROXY_CORE, standalone: oneRoute(origin.port) });
    const haproxy = await stage.haproxy(origin);
    const comparison = await compare([{ program: nginx }, { program: turnpike }, { program: haproxy }], stage.extent);
    return {
      headline: `CPU per proxied request vs nginx: ${ratioCell(ratio(comparison, 1))} (one route, no plugins)`,
      tables: [
        comparisonTable("Proxied GET of 12 bytes, equal heads", comparison, {
          references: [0, 2],
          notes: [
            "`wrk` sends equal heads on and on; Turnpike does not parse a head again that equals the one before it.",
          ],
        }),
      ],
    };
  },
};

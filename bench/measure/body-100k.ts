import { oneRoute } from "../harness/gateway.ts";
import { compare, comparisonTable } from "../harness/pairs.ts";
import { PROXY_CORE } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";

/** Answers of 100 KiB: what moving bytes costs. */
export const body100k: Measurement = {
  name: "100k",
  tools: ["nginx", "haproxy", "wrk"],
  async run(stage) {
    const origin = await stage.origin();
    const nginx = await stage.nginx(origin);
    const turnpike = await stage.turnpike({ core: PROXY_CORE, standalone: oneRoute(origin.port) });
    const haproxy = await stage.haproxy(origin);
    const load = { path: "/file/100k" };
    const comparison = await compare(
      [nginx, turnpike, haproxy].map((program) => ({ program, load })),
      stage.extent,
    );
    return { tables: [comparisonTable("Proxied GET of 100 KiB", comparison, { references: [0, 2] })] };
  },
};

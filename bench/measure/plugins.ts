import { compare, comparisonTable, ratio } from "../harness/pairs.ts";
import { oneRoute } from "../harness/gateway.ts";
import { PROXY_CORE } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { ratioCell } from "../harness/table.ts";

const KEY = "bench-key";

/** The four that most gateways run, on one route. */
function four(origin: number): string {
  const plugins = [
    "key-auth: {}",
    "limit-count: {count: 1000000000, time_window: 60}",
    "request-id: {}",
    "prometheus: {}",
  ];
  return `${oneRoute(origin, `, plugins: {${plugins.join(", ")}}`)}
consumers:
  - {username: bench, plugins: {key-auth: {key: ${KEY}}}}
`;
}

/** A proxied GET through four plugins, against nginx without any. */
export const pluginsMeasurement: Measurement = {
  name: "plugins",
  tools: ["nginx", "wrk"],
  async run(stage) {
    const origin = await stage.origin();
    const nginx = await stage.nginx(origin);
    const none = await stage.turnpike({ core: PROXY_CORE, standalone: oneRoute(origin.port) });
    const counted = await stage.turnpike({
      core: PROXY_CORE,
      standalone: oneRoute(origin.port, ", plugins: {prometheus: {}}"),
    });
    const all = await stage.turnpike({ core: PROXY_CORE, standalone: four(origin.port) });
    const load = { headers: { apikey: KEY } };
    const comparison = await compare(
      [
        { program: nginx, name: "nginx, none", load },
        { program: none, name: "Turnpike, none", load },
        { program: counted, name: "Turnpike: prometheus", load },
        { program: all, name: "Turnpike: key-auth, limit-count, request-id, prometheus", load },
      ],
      stage.extent,
    );
    return {
      headline: `CPU per proxied request vs nginx, key-auth + limit-count + request-id + prometheus: ${ratioCell(ratio(comparison, 3))}`,
      tables: [comparisonTable("Proxied GET of 12 bytes through plugins", comparison, { references: [0, 1] })],
    };
  },
};

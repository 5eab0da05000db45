import { compare, comparisonTable, ratio } from "../harness/pairs.ts";
import { PROXY_CORE } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { ratioCell } from "../harness/table.ts";

/** The key that both consumers have. */
const KEY = "bench-key";

/** The gateway's own four, on one route. */
function ownFour(origin: number): string {
  return `
routes:
  - id: 1
    uri: /*
    upstream: {type: roundrobin, nodes: {"127.0.0.1:${origin}": 1}}
    plugins:
      key-auth: {}
      request-id: {}
      proxy-rewrite: {headers: {set: {X-Team: bench}}}
      response-rewrite: {headers: {set: {X-Gateway: bench}}}
consumers:
  - {username: bench, plugins: {key-auth: {key: ${KEY}}}}
`;
}

/**
 * A proxied GET through four plugins, against nginx without any. The gateway cannot
 * load plugins of its users yet, so the two that stand for limit-count and prometheus
 * run in the data path alone, and the gateway runs four that it has.
 */
export const pluginsMeasurement: Measurement = {
  name: "plugins",
  tools: ["nginx", "wrk"],
  async run(stage) {
    const origin = await stage.origin();
    const nginx = await stage.nginx(origin);
    const words = [origin.port, "four"];
    const standIns = await stage.program("Turnpike's data path", PROXY_CORE, "data-path.ts", words);
    const turnpike = await stage.turnpike({ core: PROXY_CORE, standalone: ownFour(origin.port) });
    const load = { headers: { apikey: KEY } };
    const comparison = await compare(
      [
        { program: nginx, name: "nginx, none", load },
        { program: standIns, name: "Turnpike's data path: key-auth, request-id, counter, histograms", load },
        {
          program: turnpike,
          name: "Turnpike: key-auth, request-id, proxy-rewrite, response-rewrite",
          load,
        },
      ],
      stage.extent,
    );
    return {
      headline: `CPU per proxied request vs nginx, four plugins: ${ratioCell(ratio(comparison, 1))}`,
      tables: [
        comparisonTable("Proxied GET of 12 bytes through four plugins", comparison, {
          notes: [
            "Counter and histograms are stand-ins for limit-count and prometheus (`bench/programs/stand-ins.ts`) in one thread without supervisor and control.",
          ],
        }),
      ],
    };
  },
};

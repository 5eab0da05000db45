import type { Server } from "node:http";
import type { Board } from "../board/board.ts";
import type { GatewayVitals } from "../board/gateway-vitals.ts";
import type { Logger } from "../observe/logger.ts";
import type { PrometheusSettings, Settings } from "../settings/settings.ts";
import type { Store } from "../store/store.ts";
import type { ConfigReporter } from "./config-reporter.ts";
import { prefixOf } from "./control-wiring.ts";
import { CertificateExpiry } from "./metrics/certificates.ts";
import { MetricsExporter } from "./metrics/exporter.ts";
import type { ModifyIndexes } from "./metrics/modify-indexes.ts";
import { createMetricsServer, listenMetrics } from "./metrics/server.ts";
import type { UpstreamWatch } from "./upstream-watch.ts";

/** The limit where the Status API is turned off. */
const DEFAULT_UNRESPONSIVE_MS = 5_000;

/** What metrics are made of. */
export interface MetricsParts {
  readonly settings: Settings;
  readonly prometheus: PrometheusSettings;
  readonly board: Board;
  readonly vitals: GatewayVitals;
  readonly reporter: ConfigReporter;
  readonly upstreams: Pick<UpstreamWatch, "health">;
  readonly indexes: ModifyIndexes;
  readonly log: Logger;
  /** `null`: nothing was loaded yet. */
  store(): Store | null;
}

/** The metrics of a node and the server that exports them. */
export class Metrics {
  readonly exporter: MetricsExporter;
  readonly #settings: PrometheusSettings;
  readonly #server: Server | null;

  constructor(parts: MetricsParts) {
    const { settings, prometheus, store, indexes, reporter, upstreams } = parts;
    this.#settings = prometheus;
    const expiry = new CertificateExpiry();
    this.exporter = new MetricsExporter({
      settings: prometheus,
      unresponsiveAfterMs: settings.status?.unresponsiveAfterMs ?? DEFAULT_UNRESPONSIVE_MS,
      board: parts.board,
      vitals: parts.vitals,
      report: () => reporter.report,
      health: () => upstreams.health(prefixOf(settings.source)),
      indexes: () => indexes.values,
      certificates: () => expiry.rows(store()?.held ?? new Map()),
      hasRoute() {
        const held = store()?.held;
        return held === undefined ? null : (id) => held.has(`routes/${id}`) || held.has(`stream_routes/${id}`);
      },
    });
    this.#server = prometheus.listen === null ? null : createMetricsServer(this.exporter, prometheus.uri, parts.log);
  }

  /** Opens the export server where there is one; rejects with the system's error. */
  async listen(): Promise<void> {
    if (this.#server !== null && this.#settings.listen !== null)
      await listenMetrics(this.#server, this.#settings.listen);
  }

  async close(): Promise<void> {
    this.exporter.close();
    const server = this.#server;
    if (server === null) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

import type { Board } from "../../board/board.ts";
import type { GatewayVitals } from "../../board/gateway-vitals.ts";
import type { PrometheusSettings, Settings } from "../../settings/settings.ts";
import type { Store } from "../../store/store.ts";
import type { ConfigReporter } from "../config-reporter.ts";
import { prefixOf } from "../control-wiring.ts";
import type { UpstreamWatch } from "../upstream-watch.ts";
import { CertificateExpiry } from "./certificates.ts";
import { MetricsExporter } from "./exporter.ts";
import type { ModifyIndexes } from "./modify-indexes.ts";

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
  /** `null`: there is none yet. */
  store(): Store | null;
}

/** The exporter of a node; it must be closed. */
export function createExporter(parts: MetricsParts): MetricsExporter {
  const { settings, prometheus, store, indexes, reporter, upstreams } = parts;
  const expiry = new CertificateExpiry();
  return new MetricsExporter({
    settings: prometheus,
    unresponsiveAfterMs: settings.status?.unresponsiveAfterMs ?? DEFAULT_UNRESPONSIVE_MS,
    board: parts.board,
    vitals: parts.vitals,
    report: () => reporter.report,
    health: () => upstreams.health(prefixOf(settings.source)),
    indexes: () => indexes.values,
    certificates: () => expiry.rows(store()?.held ?? new Map()),
    hasRoute() {
      const loaded = store();
      if (loaded === null || loaded.revision === 0) return null;
      return (id) => loaded.held.has(`routes/${id}`) || loaded.held.has(`stream_routes/${id}`);
    },
  });
}

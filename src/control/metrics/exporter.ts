import { MetricMemory } from "../../board/metric-memory.ts";
import { monotonicMs } from "../../lib/clock.ts";
import { type FamilyName, familyNames } from "../../lib/metric-families.ts";
import type { PrometheusSettings } from "../../settings/settings.ts";
import { metric } from "./exposition.ts";
import { apisixLines, type GatewayFacts, turnpikeLines } from "./gateway-lines.ts";
import { RetirementWatch } from "./retirement.ts";
import { ownSeries, seriesLines } from "./series-lines.ts";
import { SeriesReader } from "./series-reader.ts";

/** How often it is decided which series go. */
const SWEEP_MS = 15_000;
/** What `text` holds at most. */
const MAX_TEXT = 16 * 1_048_576;

export interface ExporterParts extends Omit<GatewayFacts, "reader" | "prefix"> {
  readonly settings: PrometheusSettings;
  /** `null`: not known now. */
  hasRoute(): ((id: string) => boolean) | null;
}

/**
 * All metrics of this node as text, made of shared memory and of what control knows: no
 * worker is asked, and what one that hangs has counted is exported all the same.
 */
export class MetricsExporter {
  readonly #parts: ExporterParts;
  readonly #facts: GatewayFacts;
  readonly #reader = new SeriesReader();
  readonly #watches = new Map<FamilyName, RetirementWatch>(familyNames.map((name) => [name, new RetirementWatch()]));
  readonly #timer: NodeJS.Timeout;
  #sweeping = false;

  constructor(parts: ExporterParts) {
    this.#parts = parts;
    this.#facts = { ...parts, prefix: parts.settings.prefix, reader: this.#reader };
    this.#timer = setInterval(() => void this.#sweep(), SWEEP_MS).unref();
  }

  /** Takes in what one more worker counts in. */
  add(memory: SharedArrayBuffer): void {
    const { maxSeries, buckets } = this.#parts.settings;
    this.#reader.add(new MetricMemory({ maxSeries, buckets: buckets.length }, memory));
  }

  /** The metrics, piece by piece; between two the event loop may go on. */
  async *pieces(): AsyncGenerator<string> {
    yield apisixLines(this.#facts);
    yield turnpikeLines(this.#facts);
    const counts: [FamilyName, number][] = [];
    for (const family of familyNames) {
      const totals = await this.#reader.totals(family);
      counts.push([family, ownSeries(totals)]);
      yield* seriesLines(family, totals, this.#parts.settings);
    }
    yield metric(
      "turnpike_metric_series",
      "gauge",
      "Series of the metrics that are counted for each set of labels",
      counts.map(([family, count]) => [[["metric", family]], count]),
    );
  }

  /** All of it; `null` where it is too long to be kept in one piece. */
  async text(): Promise<string | null> {
    const pieces: string[] = [];
    let length = 0;
    for await (const piece of this.pieces()) {
      length += piece.length;
      if (length > MAX_TEXT) return null;
      pieces.push(piece);
    }
    return pieces.join("");
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    const { settings } = this.#parts;
    for (const family of familyNames) {
      const expireMs =
        (settings.metrics as Partial<PrometheusSettings["metrics"]>)[family as "bandwidth"]?.expireMs ?? 0;
      const totals = await this.#reader.totals(family);
      const rules = { expireMs, hasRoute: this.#parts.hasRoute(), fullness: this.#reader.fullness(family) };
      const retired = this.#watches.get(family)!.look(totals, rules, monotonicMs());
      if (retired.size > 0) await this.#reader.retire(family, retired);
    }
    this.#sweeping = false;
  }
}

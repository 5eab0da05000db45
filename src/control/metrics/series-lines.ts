import { isOverflow, labelsOf, SEPARATOR } from "../../board/metric-writer.ts";
import { type FamilyName, type MetricFamily, metricFamilies } from "../../lib/metric-families.ts";
import type { PrometheusSettings } from "../../settings/settings.ts";
import { headLines, histogram, type Labels, sample } from "./exposition.ts";
import type { SeriesTotals } from "./series-reader.ts";

/** Series that are written in one piece. */
const PER_PIECE = 200;

/** The lines of a family, in pieces of some ten kilobytes; nothing where it has no series. */
export function* seriesLines(
  family: FamilyName,
  totals: SeriesTotals,
  settings: Pick<PrometheusSettings, "prefix" | "metrics" | "buckets">,
): Generator<string> {
  if (totals.size === 0) return;
  const { type, help, labels: own, split, prefix }: MetricFamily = metricFamilies[family];
  const name = (prefix === "configured" ? settings.prefix : prefix) + family;
  const extra = (settings.metrics as Partial<PrometheusSettings["metrics"]>)[family as "bandwidth"]?.extraLabels ?? [];
  const names = [...own, ...extra.map((label) => label.name)];
  const perSplit = family === "http_latency" ? settings.buckets.length + 2 : 1;

  yield headLines(name, type, help);
  let piece = "";
  let written = 0;
  for (const [text, cells] of withoutRoutes(totals)) {
    const values = labelsOf(text).labels;
    const labels: Labels = names.map((label, i) => [label, values[i] ?? ""]);
    for (const [i, value] of (split?.values ?? [""]).entries()) {
      const all: Labels = split === undefined ? labels : [[split.label, value], ...labels];
      const at = i * perSplit;
      if (type !== "histogram") piece += sample(name, all, cells[at]!);
      else if (happened(cells, at, perSplit - 1)) {
        const counts = cells.subarray(at, at + perSplit - 1);
        piece += histogram(name, all, settings.buckets, counts, cells[at + perSplit - 1]!);
      }
    }
    if (++written % PER_PIECE !== 0) continue;
    yield piece;
    piece = "";
  }
  if (piece !== "") yield piece;
}

/** Routes of the same name are one series where names are shown: no two lines have the same labels. */
function withoutRoutes(totals: SeriesTotals): ReadonlyMap<string, Float64Array> {
  const merged = new Map<string, Float64Array>();
  for (const [text, cells] of totals) {
    const labels = text.slice(text.indexOf(SEPARATOR));
    const known = merged.get(labels);
    merged.set(labels, known === undefined ? cells : known.map((value, i) => value + cells[i]!));
  }
  return merged;
}

/** Whether there was an observation: of requests that no node answered there is no latency of one. */
function happened(cells: Float64Array, at: number, buckets: number): boolean {
  for (let i = at; i < at + buckets; i++) if (cells[i]! > 0) return true;
  return false;
}

/** Series that do not stand for others. */
export function ownSeries(totals: SeriesTotals): number {
  let count = 0;
  for (const text of totals.keys()) if (!isOverflow(text)) count++;
  return count;
}

/** What is told of a row of samples. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Throws on an empty row: there is nothing to tell. */
export function summarise(values: readonly number[]): Summary {
  return { median: percentile(values, 50), min: Math.min(...values), max: Math.max(...values) };
}

/** The value below which `percent` of the samples lie; between two samples it is interpolated. */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) throw new Error("no samples");
  const sorted = Float64Array.from(values).sort();
  const place = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(place)]!;
  return below + (sorted[Math.ceil(place)]! - below) * (place % 1);
}

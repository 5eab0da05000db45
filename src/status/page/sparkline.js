import { setAttribute, svg } from "./dom.js";

/** Samples that a line shows: a minute. */
export const SAMPLES = 60;
const HEIGHT = 24;

/**
 * A small line of the last minute. It stands beside its number, so it is hidden from
 * those who cannot see it.
 * @param {string} className
 * @returns {{ readonly element: SVGElement, draw(samples: readonly number[]): void }}
 */
export function makeSparkline(className) {
  const element = svg("svg", {
    class: className,
    viewBox: `0 0 ${SAMPLES - 1} ${HEIGHT}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
    focusable: "false",
  });
  const area = svg("path", { class: "area" });
  const line = svg("path", { class: "line" });
  element.append(area, line);
  return {
    element,
    draw(samples) {
      const top = Math.max(1, ...samples);
      const first = SAMPLES - samples.length;
      const points = samples.map(
        (value, i) => `${first + i} ${(HEIGHT - 1 - (value / top) * (HEIGHT - 3)).toFixed(1)}`,
      );
      const path = points.length === 0 ? "" : `M${points.join("L")}`;
      setAttribute(line, "d", path);
      setAttribute(area, "d", path === "" ? "" : `${path}V${HEIGHT}H${first}Z`);
    },
  };
}

/**
 * The last minute of several counters that are sampled together.
 * @returns {{ reset(series: readonly (readonly number[])[]): void, add(values: readonly number[], at: number): void, of(index: number): readonly number[], readonly total: readonly number[] }}
 */
export function makeSamples() {
  /** @type {number[][]} */
  let series = [];
  let sampledAt = -Infinity;
  return {
    reset(known) {
      series = known.map((samples) => samples.slice(-SAMPLES));
      sampledAt = -Infinity;
    },
    add(values, at) {
      // States also come between samples; then the newest sample is only corrected.
      const due = at - sampledAt >= 900;
      if (due) sampledAt = at;
      series.length = Math.min(series.length, values.length);
      for (const [i, value] of values.entries()) {
        const samples = (series[i] ??= []);
        if (due || samples.length === 0) samples.push(value);
        else samples[samples.length - 1] = value;
        if (samples.length > SAMPLES) samples.shift();
      }
    },
    of: (index) => series[index] ?? [],
    get total() {
      const length = Math.max(0, ...series.map((samples) => samples.length));
      return Array.from({ length }, (_, i) =>
        series.reduce((sum, samples) => sum + (samples[samples.length - length + i] ?? 0), 0),
      );
    },
  };
}

/**
 * The text format of Prometheus, version 0.0.4. Names and help are ours or checked with
 * config.yaml; values of labels are escaped.
 */

export type MetricType = "counter" | "gauge" | "histogram";

/** Labels with their values, in the order in which they are written. */
export type Labels = readonly (readonly [name: string, value: string])[];

/** `# HELP` and `# TYPE`. */
export function headLines(name: string, type: MetricType, help: string): string {
  return `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`;
}

/** One line. */
export function sample(name: string, labels: Labels, value: number): string {
  return `${name}${block(pairs(labels))} ${number(value)}\n`;
}

/** A histogram: `counts` by bucket (not cumulative), the last for what is above all bounds. */
export function histogram(
  name: string,
  labels: Labels,
  bounds: readonly number[],
  counts: ArrayLike<number>,
  sum: number,
): string {
  const own = pairs(labels);
  const before = own === "" ? "" : `${own},`;
  let text = "";
  let total = 0;
  for (let i = 0; i <= bounds.length; i++) {
    total += counts[i] ?? 0;
    const bound = bounds[i];
    text += `${name}_bucket{${before}le="${bound === undefined ? "+Inf" : number(bound)}"} ${number(total)}\n`;
  }
  return `${text}${name}_sum${block(own)} ${number(sum)}\n${name}_count${block(own)} ${number(total)}\n`;
}

/** A metric with a line for each set of labels; nothing where there is none. */
export function metric(
  name: string,
  type: MetricType,
  help: string,
  samples: readonly (readonly [labels: Labels, value: number])[],
): string {
  if (samples.length === 0) return "";
  return headLines(name, type, help) + samples.map(([labels, value]) => sample(name, labels, value)).join("");
}

/** A metric without labels. */
export function single(name: string, type: MetricType, help: string, value: number): string {
  return metric(name, type, help, [[[], value]]);
}

function block(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function pairs(labels: Labels): string {
  let text = "";
  for (const [name, value] of labels) text += `${text === "" ? "" : ","}${name}="${escape(value)}"`;
  return text;
}

function escape(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** Integers in full, whatever their size. */
function number(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}

import type { Summary } from "./statistics.ts";

/** A table as Markdown has it; the first column is a name, the others are figures. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What the figures mean and what they hide. */
  readonly notes?: readonly string[];
}

/** The table as Markdown, readable on a terminal too. */
export function formatTable({ title, columns, rows, notes = [] }: Table): string {
  const widths = columns.map((column, i) => Math.max(column.length, 4, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  const parts = [`**${title}**`, "", line(columns), rule, ...rows.map((row) => line(row))];
  if (notes.length > 0) parts.push("", notes.join(" "));
  return parts.join("\n");
}

/** Median, min and max as three cells. */
export function cells(summary: Summary, digits: number): string[] {
  return [summary.median, summary.min, summary.max].map((value) => value.toFixed(digits));
}

/** A ratio with its range in one cell. */
export function ratioCell({ median, min, max }: Summary): string {
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

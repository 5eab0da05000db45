/** Milliseconds per unit, in the order in which units may follow one another. */
const units: readonly (readonly [unit: string, ms: number])[] = [
  ["y", 365 * 86_400_000],
  ["M", 30 * 86_400_000],
  ["w", 7 * 86_400_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
];

/**
 * A duration as nginx writes it, in milliseconds: `60s`, `500ms`, `1h 30m`; a number,
 * or digits without a unit, are seconds. Units go from large to small, each at most
 * once. `null` for anything else, and for what is negative or too large to count exactly.
 */
export function parseDuration(value: string | number): number | null {
  const ms = typeof value === "number" ? Math.round(value * 1000) : parseText(value.trim());
  return ms !== null && Number.isSafeInteger(ms) && ms >= 0 ? ms : null;
}

function parseText(text: string): number | null {
  if (text === "") return null;
  let total = 0;
  let nextUnit = 0;
  let at = 0;
  const part = /\s*(\d+)(ms|[yMwdhms])?/y;
  while (at < text.length) {
    part.lastIndex = at;
    const match = part.exec(text);
    if (match === null) return null;
    at = part.lastIndex;
    // Digits without a unit are seconds and can only come last.
    if (match[2] === undefined && at < text.length) return null;
    const index = units.findIndex(([unit]) => unit === (match[2] ?? "s"));
    const row = units[index];
    if (row === undefined || index < nextUnit) return null;
    nextUnit = index + 1;
    total += Number(match[1]) * row[1];
  }
  return total;
}

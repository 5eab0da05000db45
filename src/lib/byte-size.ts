const factors: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/**
 * A size as nginx writes it, in bytes: `16k`, `10m`, `1G`; a number, or digits alone,
 * are bytes. `null` for anything else.
 */
export function parseByteSize(value: string | number): number | null {
  const match = /^(\d+)([kmg]?)$/i.exec(String(value).trim());
  const factor = factors[match?.[2]?.toLowerCase() ?? ""];
  if (match === null || factor === undefined) return null;
  const bytes = Number(match[1]) * factor;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

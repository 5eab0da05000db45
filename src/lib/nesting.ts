/** Objects and lists in each other that a configuration may have; more would cost a stack that is not there. */
const MAX_DEPTH = 64;

/** Why a parsed value is nested too deeply to be a configuration; `null`: it is not. */
export const nestingFault = (value: unknown): string | null =>
  isDeeper(value, MAX_DEPTH) ? `nested deeper than ${MAX_DEPTH}` : null;

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (depth === 0) return true;
  // Without a list of the values, which costs three times as much: every resource is looked at.
  for (const name in value) if (isDeeper((value as Record<string, unknown>)[name], depth - 1)) return true;
  return false;
}

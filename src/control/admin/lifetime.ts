/** Seconds; 68 years. Stores differ in what they can count beyond. */
const LONGEST = 2 ** 31 - 1;

/**
 * The lifetime of a write (`ttl`, whole seconds); `undefined`: none, which 0 and less mean
 * too, and at most 68 years. The reason as text where it is no whole number. Written as Lua reads numbers.
 */
export function parseTtl(query: URLSearchParams): number | undefined | string {
  const text = query.get("ttl");
  if (text === null) return undefined;
  const written = /^([+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|0x[\da-f]{1,13})$/i.test(text);
  if (!written) return "invalid argument ttl: should be a number";
  const ttl = Number(text);
  if (!Number.isSafeInteger(ttl)) return "invalid argument ttl: should be a whole number of seconds";
  return ttl <= 0 ? undefined : Math.min(ttl, LONGEST);
}

/** Directives of Cache-Control (RFC 9111 section 5.2): names in lower case, values without quotes. */
export type Directives = ReadonlyMap<string, string>;

export function parseCacheControl(value: string | undefined): Directives {
  const directives = new Map<string, string>();
  for (const part of value?.split(",") ?? []) {
    const equals = part.indexOf("=");
    const name = (equals === -1 ? part : part.slice(0, equals)).trim().toLowerCase();
    const text =
      equals === -1
        ? ""
        : part
            .slice(equals + 1)
            .trim()
            .replace(/^"(.*)"$/, "$1");
    if (name !== "" && !directives.has(name)) directives.set(name, text);
  }
  return directives;
}

/** Seconds that a directive tells; `null` where it does not stand there or tells no number. */
export function secondsOf(directives: Directives, name: string): number | null {
  const text = directives.get(name);
  return text === undefined || !/^\d{1,10}$/.test(text) ? null : Number(text);
}

/**
 * Milliseconds for which a shared cache may keep an answer; 0 where its headers do not allow
 * any, `fallbackMs` where they say nothing.
 */
export function freshnessMs(cacheControl: string | undefined, expires: string | undefined, fallbackMs = 0): number {
  const directives = parseCacheControl(cacheControl);
  for (const name of ["private", "no-store", "no-cache"]) if (directives.has(name)) return 0;
  const seconds = secondsOf(directives, "s-maxage") ?? secondsOf(directives, "max-age");
  if (seconds !== null) return seconds * 1_000;
  if (expires === undefined) return fallbackMs;
  const at = Date.parse(expires);
  return Number.isNaN(at) ? 0 : Math.max(0, at - Date.now());
}

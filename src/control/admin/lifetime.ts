/**
 * The lifetime of a write (`ttl`, seconds): `undefined` where there is none; the reason
 * as text where it makes no sense. 0 means none, as APISIX's documentation writes it.
 */
export function parseTtl(query: URLSearchParams): number | undefined | string {
  const text = query.get("ttl");
  if (text === null) return undefined;
  const ttl = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(ttl)) return "invalid argument ttl: should be a number";
  if (!Number.isSafeInteger(ttl) || ttl < 0) return "invalid argument ttl: should be a whole number of seconds from 0";
  return ttl === 0 ? undefined : ttl;
}

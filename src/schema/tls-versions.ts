/**
 * Why clients cannot be met with these versions of TLS, `TLSv1.1` to `TLSv1.3`; `null`: they can.
 * OpenSSL forgets the versions above a gap, which are what most clients would speak.
 */
export function tlsVersionsFault(versions: readonly string[]): string | null {
  if (versions.length === 0) return "no version of TLS is left";
  const gap = versions.includes("TLSv1.1") && versions.includes("TLSv1.3") && !versions.includes("TLSv1.2");
  return gap ? "OpenSSL cannot leave out TLSv1.2 between TLSv1.1 and TLSv1.3" : null;
}

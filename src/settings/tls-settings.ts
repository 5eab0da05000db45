import { reasonOf } from "../lib/errors.ts";
import { loadTls } from "../lib/lazy-tls.ts";
import type { CheckedConfig, SslConfig } from "./checked-config.ts";
import { type KeyPath, pathsTouch } from "./key-path.ts";
import { defaultCiphers } from "./keys/apisix.ts";
import type { Report } from "./report.ts";
import type { TlsSettings, TlsVersion } from "./settings.ts";

/** `apisix.ssl`; `null` where it is turned off. */
export function tlsSettings(ssl: SslConfig): TlsSettings | null {
  if (!ssl.enable) return null;
  return {
    protocols: [...new Set(ssl.ssl_protocols.trim().split(/\s+/))].sort() as TlsVersion[],
    ciphers: ssl.ssl_ciphers,
    sessionTickets: ssl.ssl_session_tickets,
    fallbackSni: ssl.fallback_sni ?? null,
  };
}

/** Reports what OpenSSL cannot do: versions with a gap, suites that it does not know. `invalid`: keys that are reported already. */
export function reportTls({ apisix: { ssl } }: CheckedConfig, invalid: readonly KeyPath[], report: Report): void {
  if (!ssl.enable) return;
  const isNew = (path: KeyPath): boolean => !invalid.some((other) => pathsTouch(other, path));
  if (isNew(["apisix", "ssl", "ssl_protocols"])) reportGap(ssl, report);
  if (ssl.ssl_ciphers !== defaultCiphers && isNew(["apisix", "ssl", "ssl_ciphers"])) reportCiphers(ssl, report);
}

/** OpenSSL forgets the versions above a gap, which are what most clients would speak. */
function reportGap({ ssl_protocols: text }: SslConfig, report: Report): void {
  if (!text.includes("TLSv1.1") || !text.includes("TLSv1.3") || text.includes("TLSv1.2")) return;
  const expected = "TLSv1.2 between TLSv1.1 and TLSv1.3, which OpenSSL cannot leave out";
  report.error(["apisix", "ssl", "ssl_protocols"], `found ${JSON.stringify(text)}, expected ${expected}`);
}

function reportCiphers(ssl: SslConfig, report: Report): void {
  const path = ["apisix", "ssl", "ssl_ciphers"];
  try {
    // Loaded where it is needed alone: the default needs no proof.
    loadTls().createSecureContext({ ciphers: ssl.ssl_ciphers });
  } catch (error) {
    report.error(path, `found ${JSON.stringify(ssl.ssl_ciphers)}, expected cipher suites: ${reasonOf(error)}`);
  }
}

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

/** Reports suites that OpenSSL knows nothing of. `invalid`: keys that are reported already. */
export function reportCiphers({ apisix: { ssl } }: CheckedConfig, invalid: readonly KeyPath[], report: Report): void {
  const path = ["apisix", "ssl", "ssl_ciphers"];
  if (!ssl.enable || ssl.ssl_ciphers === defaultCiphers || invalid.some((other) => pathsTouch(other, path))) return;
  try {
    // Loaded where it is needed alone: the default needs no proof.
    loadTls().createSecureContext({ ciphers: ssl.ssl_ciphers });
  } catch (error) {
    report.error(path, `found ${JSON.stringify(ssl.ssl_ciphers)}, expected cipher suites: ${reasonOf(error)}`);
  }
}

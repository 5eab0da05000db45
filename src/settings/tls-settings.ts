import { reasonOf } from "../lib/errors.ts";
import { loadTls } from "../lib/lazy-tls.ts";
import { tlsVersionsFault } from "../schema/tls-versions.ts";
import type { CheckedConfig, SslConfig } from "./checked-config.ts";
import { type KeyPath, pathsTouch } from "./key-path.ts";
import { defaultCiphers } from "./keys/apisix.ts";
import type { Report } from "./report.ts";
import type { TlsSettings, TlsVersion } from "./settings.ts";

/** `apisix.ssl`; `null` where it is turned off. */
export function tlsSettings(ssl: SslConfig): TlsSettings | null {
  if (!ssl.enable) return null;
  return {
    protocols: versionsOf(ssl),
    ciphers: ssl.ssl_ciphers,
    sessionTickets: ssl.ssl_session_tickets,
    fallbackSni: ssl.fallback_sni ?? null,
  };
}

/** Each once, the oldest first. */
const versionsOf = ({ ssl_protocols: text }: SslConfig): readonly TlsVersion[] =>
  [...new Set(text.trim().split(/\s+/))].sort() as TlsVersion[];

/** Reports what OpenSSL cannot do: versions with a gap, suites that it does not know. `invalid`: keys that are reported already. */
export function reportTls({ apisix: { ssl } }: CheckedConfig, invalid: readonly KeyPath[], report: Report): void {
  if (!ssl.enable) return;
  const isNew = (path: KeyPath): boolean => !invalid.some((other) => pathsTouch(other, path));
  if (isNew(["apisix", "ssl", "ssl_protocols"])) reportVersions(ssl, report);
  if (ssl.ssl_ciphers !== defaultCiphers && isNew(["apisix", "ssl", "ssl_ciphers"])) reportCiphers(ssl, report);
}

function reportVersions(ssl: SslConfig, report: Report): void {
  if (tlsVersionsFault(versionsOf(ssl)) === null) return;
  const expected = "TLSv1.2 between TLSv1.1 and TLSv1.3, which OpenSSL cannot leave out";
  report.error(["apisix", "ssl", "ssl_protocols"], `found ${JSON.stringify(ssl.ssl_protocols)}, expected ${expected}`);
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

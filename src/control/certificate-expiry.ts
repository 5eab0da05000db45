import { readCertificateFacts } from "../lib/certificate-facts.ts";
import type { CertificateExpiry, CertificateReport } from "../messages/messages.ts";
import type { Change } from "../schema/kinds.ts";
import type { Ssl } from "../schema/ssl.ts";

/** Certificates that a report names. */
const REPORTED = 20;

/** Keeps until when the certificates that are served count, for `GET /status/config` and metrics. */
export class CertificateExpiries {
  readonly #byId = new Map<string, CertificateExpiry>();

  /** Takes over changes of what is served; others than certificates are passed over. True: there were some. */
  apply(changes: readonly Change[]): boolean {
    let changed = false;
    for (const { kind, id, text } of changes) {
      if (kind !== "ssls") continue;
      changed = true;
      const expiry = text === null ? null : expiryOf(JSON.parse(text) as Ssl);
      if (expiry === null) this.#byId.delete(id);
      else this.#byId.set(id, expiry);
    }
    return changed;
  }

  /** Those that are in use, the first to end first. */
  all(): readonly CertificateExpiry[] {
    return [...this.#byId.values()].sort((a, b) => a.expiresAt - b.expiresAt);
  }

  report(): CertificateReport {
    return { count: this.#byId.size, soonest: this.all().slice(0, REPORTED) };
  }
}

/** `null`: it is turned off. */
function expiryOf({ id, status, sni, snis, cert, certs = [] }: Ssl): CertificateExpiry | null {
  if (status === 0) return null;
  try {
    const times = [cert, ...certs].map((pem) => readCertificateFacts(pem)[0]!.validTo);
    return { id, names: snis ?? (sni === undefined ? [] : [sni]), expiresAt: Math.min(...times) };
  } catch {
    // What another version has accepted must not keep this one from starting.
    return null;
  }
}

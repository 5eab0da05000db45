import type { Ssl } from "../schema/ssl.ts";
import type { InlineUpstream } from "../schema/upstream.ts";
import type { CertificatePair } from "../upstream/node-tls.ts";

/** The certificates of `ssls` that are shown to nodes: those of `type: client`. */
export class ClientCertificates {
  readonly #held = new Map<string, Ssl>();

  /** Sets or removes a resource of `ssls`; whether an upstream may have to be made anew. */
  set(id: string, ssl: Ssl | null): boolean {
    const known = this.#held.delete(id);
    if (ssl?.type === "client") this.#held.set(id, ssl);
    return known || this.#held.has(id);
  }

  /** What is shown for `client_cert_id`; a text says why there is nothing to show. */
  get(id: string): CertificatePair | string {
    const ssl = this.#held.get(id);
    if (ssl === undefined) return `ssls/${id} is not there or not of type client`;
    return ssl.status === 0 ? `ssls/${id} is disabled` : { cert: ssl.cert, key: ssl.key };
  }
}

/** The certificate that an upstream shows; `null`: none, a text: it asks for one that cannot be had. */
export function shownCertificate(
  { tls }: InlineUpstream,
  byId: (id: string) => CertificatePair | string,
): CertificatePair | string | null {
  const { client_cert: cert, client_key: key, client_cert_id: id } = tls ?? {};
  if (id !== undefined) return byId(id);
  return cert === undefined || key === undefined ? null : { cert, key };
}

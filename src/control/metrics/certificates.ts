import { readCertificateFacts } from "../../lib/certificate-facts.ts";
import type { Resource } from "../../store/resource.ts";
import type { Labels } from "./exposition.ts";

/** Certificates that are told of; whoever has more looks for them elsewhere. */
const MAX_CERTIFICATES = 1_000;

interface Ssl {
  readonly cert?: string;
  readonly sni?: string;
  readonly snis?: readonly string[];
}

type Expiry = readonly [labels: Labels, unixSeconds: number];

/** When the certificates of the `ssls` that are loaded end; each is read once. */
export class CertificateExpiry {
  readonly #known = new WeakMap<Resource, Expiry | null>();

  /** A row for each; none for what cannot be read. */
  rows(held: ReadonlyMap<string, Resource>): Expiry[] {
    const rows: Expiry[] = [];
    for (const resource of held.values()) {
      if (resource.kind !== "ssls") continue;
      let row = this.#known.get(resource);
      if (row === undefined) this.#known.set(resource, (row = expiryOf(resource)));
      if (row !== null) rows.push(row);
      if (rows.length === MAX_CERTIFICATES) break;
    }
    return rows;
  }
}

function expiryOf({ id, text }: Resource): Expiry | null {
  const { cert = "", sni, snis } = JSON.parse(text) as Ssl;
  try {
    const { validTo } = readCertificateFacts(cert)[0]!;
    const labels: Labels = [
      ["id", id],
      ["sni", sni ?? snis?.[0] ?? ""],
    ];
    return [labels, validTo / 1_000];
  } catch {
    return null;
  }
}

import { contextTag, DerReader, type DerValue, oidText, tags, timeOf } from "./der.ts";

/**
 * What stands in a certificate (RFC 5280, section 4.1), read from its bytes: a tenth of what an
 * `X509Certificate` costs, which counts for those who have thousands. Nothing is verified.
 */
export interface CertificateFacts {
  /** Unix milliseconds until which it is valid. */
  readonly validTo: number;
  /** Object identifier of the algorithm that it is signed with. */
  readonly signature: string;
  /** Object identifier of the kind of its key. */
  readonly keyKind: string;
  /** Object identifier of the curve of a key of `ecPublicKey`; `null`: it is another one. */
  readonly curve: string | null;
  /** Bits of the modulus of a key of `rsaEncryption`; 0: it is another one. */
  readonly rsaBits: number;
}

/** Object identifiers of kinds of keys. */
export const keyKinds = { rsa: "1.2.840.113549.1.1.1", elliptic: "1.2.840.10045.2.1" } as const;

const UTC_TIME = 0x17;
const BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;

/** The facts of every certificate in a PEM text, in its order; throws where one is malformed. */
export function readCertificateFacts(pem: string): readonly CertificateFacts[] {
  return Array.from(pem.matchAll(BLOCK), ([, base64 = ""]) => factsOf(Buffer.from(base64, "base64")));
}

function factsOf(der: Buffer): CertificateFacts {
  const outer = new DerReader(der);
  const certificate = outer.into(tags.sequence);
  outer.end();
  const tbs = certificate.into(tags.sequence);
  tbs.optional(contextTag(0));
  tbs.next(tags.integer);
  const signature = oidText(tbs.into(tags.sequence).next(tags.oid));
  tbs.next(tags.sequence);
  const validity = tbs.into(tags.sequence);
  validity.next();
  const validTo = eitherTime(validity.next());
  tbs.next(tags.sequence);
  return { validTo, signature, ...keyOf(tbs.into(tags.sequence)) };
}

/** Years of two digits are those from 1950 to 2049 (RFC 5280, section 4.1.2.5.1). */
function eitherTime(value: DerValue): number {
  if (value.tag === tags.generalizedTime) return timeOf(value);
  if (value.tag !== UTC_TIME) throw new Error("malformed DER: a time");
  const century = (value.content[0] ?? 0) >= 0x35 ? "19" : "20";
  return timeOf({ ...value, content: Buffer.concat([Buffer.from(century), value.content]) });
}

function keyOf(spki: DerReader): Pick<CertificateFacts, "keyKind" | "curve" | "rsaBits"> {
  const algorithm = spki.into(tags.sequence);
  const keyKind = oidText(algorithm.next(tags.oid));
  const curve = keyKind === keyKinds.elliptic && algorithm.tag === tags.oid ? oidText(algorithm.next()) : null;
  if (keyKind !== keyKinds.rsa) return { keyKind, curve, rsaBits: 0 };
  // The first byte counts the bits that do not belong to the key.
  const key = new DerReader(spki.next(tags.bitString).content.subarray(1)).into(tags.sequence);
  const modulus = key.next(tags.integer).content;
  const start = modulus[0] === 0 ? 1 : 0;
  const rsaBits = (modulus.length - start) * 8 - (Math.clz32(modulus[start] ?? 0) - 24);
  return { keyKind, curve, rsaBits };
}

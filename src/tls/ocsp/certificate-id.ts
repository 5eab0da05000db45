import { createHash, type X509Certificate } from "node:crypto";
import { contextTag, DerReader, derOf, tags } from "../../lib/der.ts";

/** How responders are asked about a certificate (RFC 6960, section 4.1.1). */

/** `AlgorithmIdentifier` of SHA-1: every responder has to know it (RFC 5019, section 2.1.1), and nothing is secured by it. */
const SHA1 = derOf(tags.sequence, Buffer.from([0x06, 5, 0x2b, 0x0e, 0x03, 0x02, 0x1a]), Buffer.from([tags.null, 0]));

/** What stands for one certificate in requests and responses. */
export interface CertificateId {
  /** `CertID` as DER. */
  readonly der: Buffer;
  readonly issuerNameHash: Buffer;
  readonly issuerKeyHash: Buffer;
  readonly serial: Buffer;
}

/** The id of a certificate that the issuer has signed. */
export function certificateIdOf(certificate: X509Certificate, issuer: X509Certificate): CertificateId {
  const { serial, issuerName } = partsOf(certificate);
  const { key } = partsOf(issuer);
  const issuerNameHash = sha1(issuerName);
  const issuerKeyHash = sha1(key);
  const der = derOf(
    tags.sequence,
    SHA1,
    derOf(tags.octetString, issuerNameHash),
    derOf(tags.octetString, issuerKeyHash),
    derOf(tags.integer, serial),
  );
  return { der, issuerNameHash, issuerKeyHash, serial };
}

/** An `OCSPRequest` for one certificate, without a nonce: what is answered may be kept. */
export function buildOcspRequest({ der }: CertificateId): Buffer {
  const request = derOf(tags.sequence, der);
  return derOf(tags.sequence, derOf(tags.sequence, derOf(tags.sequence, request)));
}

/** Whether a `CertID` of a response means this certificate. */
export function isSameCertificate(id: CertificateId, reader: DerReader): boolean {
  const algorithm = reader.into(tags.sequence);
  const oid = algorithm.next(tags.oid).raw;
  const nameHash = reader.next(tags.octetString).content;
  const keyHash = reader.next(tags.octetString).content;
  const serial = reader.next(tags.integer).content;
  reader.end();
  return (
    SHA1.includes(oid) &&
    nameHash.equals(id.issuerNameHash) &&
    keyHash.equals(id.issuerKeyHash) &&
    serial.equals(id.serial)
  );
}

/** Parts of a certificate (RFC 5280, section 4.1) as they were signed. */
function partsOf({ raw }: X509Certificate): {
  readonly serial: Buffer;
  readonly issuerName: Buffer;
  readonly key: Buffer;
} {
  const tbs = new DerReader(raw).into(tags.sequence).into(tags.sequence);
  tbs.optional(contextTag(0));
  const serial = tbs.next(tags.integer).content;
  tbs.next(tags.sequence);
  const issuerName = tbs.next(tags.sequence).raw;
  tbs.next(tags.sequence);
  tbs.next(tags.sequence);
  const spki = tbs.into(tags.sequence);
  spki.next(tags.sequence);
  // The first byte counts the bits that do not belong to the key.
  const key = spki.next(tags.bitString).content.subarray(1);
  return { serial, issuerName, key };
}

function sha1(bytes: Uint8Array): Buffer {
  return createHash("sha1").update(bytes).digest();
}

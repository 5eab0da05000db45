import { X509Certificate } from "node:crypto";
import { buildOcspRequest, certificateIdOf, type CertificateId } from "../../tls/ocsp/certificate-id.ts";

/** A certificate of a server whose responder is asked. */
export interface StapledCertificate {
  readonly fingerprint: string;
  readonly url: string;
  readonly id: CertificateId;
  readonly issuer: X509Certificate;
  readonly request: Buffer;
}

/** Reads a certificate with its chain (PEM); throws why nothing can be asked about it. */
export function readStapledCertificate(pem: string): StapledCertificate {
  const [leaf, ...chain] = (pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []).map(
    (one) => new X509Certificate(one),
  );
  if (leaf === undefined) throw new Error("there is no certificate");
  const url = responderOf(leaf);
  const issuer = chain.find((one) => leaf.checkIssued(one) && leaf.verify(one.publicKey));
  if (issuer === undefined) throw new Error("the certificate of the issuer does not follow in cert");
  const id = certificateIdOf(leaf, issuer);
  return { fingerprint: leaf.fingerprint256, url, id, issuer, request: buildOcspRequest(id) };
}

/** The responder that the certificate names (RFC 5280, section 4.2.2.1). */
function responderOf(certificate: X509Certificate): string {
  const access = certificate.toLegacyObject().infoAccess as Readonly<Record<string, readonly string[]>> | undefined;
  const urls = access?.["OCSP - URI"] ?? [];
  if (urls.length === 0) throw new Error("the certificate names no responder");
  const url = urls.find((one) => URL.canParse(one) && new URL(one).protocol === "http:");
  if (url === undefined) throw new Error("the responder that the certificate names cannot be asked over http");
  return url;
}

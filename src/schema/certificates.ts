import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { loadTls } from "../lib/lazy-tls.ts";
import type { Ssl } from "./ssl.ts";

/** What is wrong with certificates and private keys beyond their length. */

/** Why a certificate (or several in a row) cannot be read; `null` where it can. */
export function certificateFault(pem: string): string | null {
  return readCertificate(pem) === null ? "failed to parse cert: no certificate in PEM form" : null;
}

/**
 * Why a certificate and its key cannot be used together; `null` where they can.
 * APISIX accepts a key of another certificate, and fails with every handshake.
 */
export function pairFault(certificate: string, key: string): string | null {
  const read = readCertificate(certificate);
  if (read === null) return certificateFault(certificate);
  // A reference to a secret, or ciphertext that cannot be read.
  if (!key.startsWith("---")) return null;
  const privateKey = readKey(key);
  if (privateKey === null) return "failed to parse key: no private key in PEM form";
  return read.checkPrivateKey(privateKey) ? null : "the key does not belong to the certificate";
}

/** What keeps a certificate from being used, and where. */
export interface CertificateFault {
  readonly path: readonly (string | number)[];
  readonly reason: string;
}

/**
 * Why the certificates of a resource cannot be used, with their keys in clear text; `null`:
 * they can. The library itself is asked, which refuses keys that are too short, too.
 */
export function certificatesFault({ cert, key, certs = [], keys = [], client }: Ssl): CertificateFault | null {
  const pairs = [
    { path: ["cert"], keyPath: ["key"], cert, key },
    ...certs.map((one, index) => ({
      path: ["certs", index],
      keyPath: ["keys", index],
      cert: one,
      key: keys[index] ?? "",
    })),
  ];
  for (const pair of pairs) {
    const reason = contextFault(pair.cert, pair.key);
    if (reason !== null) return { path: reason.of === "key" ? pair.keyPath : pair.path, reason: reason.text };
  }
  const authority = client === undefined ? null : certificateFault(client.ca);
  return authority === null ? null : { path: ["client", "ca"], reason: authority };
}

function contextFault(cert: string, key: string): { readonly of: "cert" | "key"; readonly text: string } | null {
  const mismatch = pairFault(cert, key);
  if (mismatch !== null) return { of: readCertificate(cert) === null ? "cert" : "key", text: mismatch };
  const chain = cert.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (chain.length > 0 && chain.every(isStrong)) return null;
  try {
    // It takes ten times as long as all the rest; loaded where there are such certificates alone.
    loadTls().createSecureContext({ cert, key });
    return null;
  } catch (error) {
    return { of: "cert", text: opensslReason(error) };
  }
}

/** Whether the library has nothing to say against it: a key and a signature of today. */
function isStrong(pem: string): boolean {
  const certificate = readCertificate(pem);
  if (certificate === null || /sha1|md5/i.test(certificate.signatureAlgorithm ?? "sha1")) return false;
  const { asymmetricKeyType: kind, asymmetricKeyDetails: details } = certificate.publicKey;
  if (kind === "rsa") return (details?.modulusLength ?? 0) >= 2_048;
  return kind === "ec" && /^(prime256v1|secp384r1|secp521r1)$/.test(details?.namedCurve ?? "");
}

/** `error:0A00018F:SSL routines::ee key too small` without what comes before. */
function opensslReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return `OpenSSL refuses it: ${text.slice(text.lastIndexOf(":") + 1).trim()}`;
}

function readCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

function readKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}

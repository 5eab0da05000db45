import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";

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

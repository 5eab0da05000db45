import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { keyKinds, readCertificateFacts, type CertificateFacts } from "../lib/certificate-facts.ts";
import { loadTls } from "../lib/lazy-tls.ts";
import type { Ssl } from "./ssl.ts";
import { tlsVersionsFault } from "./tls-versions.ts";

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
export function certificatesFault({
  cert,
  key,
  certs = [],
  keys = [],
  client,
  ssl_protocols: versions,
}: Ssl): CertificateFault | null {
  const unusable = versions === undefined ? null : tlsVersionsFault(versions);
  if (unusable !== null) return { path: ["ssl_protocols"], reason: unusable };
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
  if (isStrong(cert)) return null;
  try {
    // It takes ten times as long as all the rest; loaded where there are such certificates alone.
    loadTls().createSecureContext({ cert, key });
    return null;
  } catch (error) {
    return { of: "cert", text: opensslReason(error) };
  }
}

/** SHA-256, -384 and -512 with RSA and with ECDSA. */
const SIGNATURES_OF_TODAY = /^1\.2\.840\.(113549\.1\.1\.1[123]|10045\.4\.3\.[234])$/;
/** P-256, P-384 and P-521. */
const CURVES_OF_TODAY = new Set(["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"]);

/** Whether the library has nothing to say against a chain: keys and signatures of today. */
function isStrong(pem: string): boolean {
  const all = pem.match(/-----BEGIN /g)?.length ?? 0;
  try {
    const chain = readCertificateFacts(pem);
    return chain.length === all && chain.every(isOfToday);
  } catch {
    return false;
  }
}

function isOfToday({ signature, keyKind, curve, rsaBits }: CertificateFacts): boolean {
  if (!SIGNATURES_OF_TODAY.test(signature)) return false;
  return keyKind === keyKinds.rsa ? rsaBits >= 2_048 : curve !== null && CURVES_OF_TODAY.has(curve);
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

import type { PeerCertificate, TLSSocket } from "node:tls";
import type { Certificate } from "./certificate-index.ts";

/** Whether a client has proved who it is, in nginx's words: `NONE`, `SUCCESS` or `FAILED:<reason>`. */
export interface ClientProof {
  readonly verified: boolean;
  readonly result: string;
}

const NONE: ClientProof = { verified: false, result: "NONE" };
const SUCCESS: ClientProof = { verified: true, result: "SUCCESS" };

/** The part of Node's handle that knows the outcome of a verification. */
interface Verifying {
  readonly _handle: { readonly verifyError?: () => (Error & { readonly code?: string }) | null } | null;
}

/**
 * What the handshake has found out about the client. Also for sessions that were resumed,
 * which carry the client's certificate and what was found out about it.
 */
export function proofOf(socket: TLSSocket, { client }: Certificate): ClientProof {
  if (client === null) return NONE;
  // The library says that all is well with a resumed session without a certificate.
  if (socket.getPeerX509Certificate() === undefined) return NONE;
  const handle = (socket as unknown as Verifying)._handle;
  if (handle?.verifyError === undefined) return { verified: false, result: "FAILED:unknown" };
  const error = handle.verifyError();
  if (error !== null && error !== undefined) return { verified: false, result: `FAILED:${error.message}` };
  if (chainLength(socket) > client.depth + 1) return { verified: false, result: "FAILED:certificate chain too long" };
  return SUCCESS;
}

/** Certificates from the client's own up to, but without, the self-signed root. */
function chainLength(socket: TLSSocket): number {
  let length = 0;
  let certificate: PeerCertificate | undefined = socket.getPeerCertificate(true);
  const seen = new Set<string>();
  while (certificate?.fingerprint256 !== undefined && !seen.has(certificate.fingerprint256)) {
    seen.add(certificate.fingerprint256);
    const issuer: PeerCertificate | undefined = (certificate as { issuerCertificate?: PeerCertificate })
      .issuerCertificate;
    if (issuer?.fingerprint256 === certificate.fingerprint256) return length;
    length++;
    certificate = issuer;
  }
  return length;
}

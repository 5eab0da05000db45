import type { X509Certificate } from "node:crypto";
import type { Secured } from "../tls/tls-acceptor.ts";
import type { TlsPeer } from "./peer.ts";

/** What is known of a client whose handshake is done; most of it is found out when it is asked for. */
export function tlsPeer({ socket, certificate, serverName, client }: Secured): TlsPeer {
  let shown: X509Certificate | undefined;
  let looked = certificate.client === null;
  return {
    certificate,
    serverName: serverName ?? "",
    verified: client.verified,
    clientVerify: client.result,
    get protocol() {
      return socket.getProtocol() ?? "";
    },
    get cipher() {
      return socket.getCipher()?.name ?? "";
    },
    get alpn() {
      return socket.alpnProtocol || "";
    },
    get reused() {
      return socket.isSessionReused();
    },
    clientCertificate() {
      if (!looked) shown = socket.getPeerX509Certificate();
      looked = true;
      return shown;
    },
  };
}

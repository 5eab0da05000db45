import type { X509Certificate } from "node:crypto";
import type { RequestContext } from "./context.ts";

/** nginx's variables of the client's TLS connection. Those without a value are of clear text. */

type Read = (ctx: RequestContext) => string | undefined;

/** Of the certificate that the client has shown. */
function ofClient(value: (certificate: X509Certificate) => string): Read {
  return (ctx) => {
    const certificate = ctx.tls?.clientCertificate();
    return certificate === undefined ? undefined : value(certificate);
  };
}

/** As RFC 2253 writes names: the last part first, separated by commas. */
const distinguishedName = (lines: string): string => lines.split("\n").toReversed().join(",");

/** As OpenSSL once wrote names: `/C=DE/CN=ann`. */
const oldName = (lines: string): string => `/${lines.replaceAll("\n", "/")}`;

const daysUntil = (date: Date): number => Math.max(0, Math.floor((date.getTime() - Date.now()) / 86_400_000));

export const tlsVariables: Readonly<Record<string, Read>> = {
  ssl_server_name: (ctx) => ctx.tls?.serverName || undefined,
  ssl_protocol: (ctx) => ctx.tls?.protocol,
  ssl_cipher: (ctx) => ctx.tls?.cipher,
  ssl_alpn_protocol: (ctx) => ctx.tls?.alpn || undefined,
  ssl_session_reused: (ctx) => (ctx.tls === null ? undefined : ctx.tls.reused ? "r" : "."),
  ssl_client_verify: (ctx) => ctx.tls?.clientVerify,
  ssl_client_s_dn: ofClient((certificate) => distinguishedName(certificate.subject)),
  ssl_client_i_dn: ofClient((certificate) => distinguishedName(certificate.issuer)),
  ssl_client_s_dn_legacy: ofClient((certificate) => oldName(certificate.subject)),
  ssl_client_i_dn_legacy: ofClient((certificate) => oldName(certificate.issuer)),
  ssl_client_serial: ofClient((certificate) => certificate.serialNumber),
  ssl_client_fingerprint: ofClient((certificate) => certificate.fingerprint.replaceAll(":", "").toLowerCase()),
  ssl_client_v_start: ofClient((certificate) => certificate.validFrom),
  ssl_client_v_end: ofClient((certificate) => certificate.validTo),
  ssl_client_v_remain: ofClient((certificate) => String(daysUntil(certificate.validToDate))),
  ssl_client_raw_cert: ofClient((certificate) => certificate.toString()),
  ssl_client_cert: ofClient((certificate) => certificate.toString().trimEnd().replaceAll("\n", "\n\t")),
  ssl_client_escaped_cert: ofClient((certificate) => encodeURIComponent(certificate.toString())),
};

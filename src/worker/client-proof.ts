import type { Certificate, CertificateLookup } from "../tls/certificate-index.ts";
import type { HttpRequestContext } from "./request-context.ts";

/**
 * Whether the client may ask for this at all: a host whose certificate demands one of clients
 * is open to those who have shown it on this connection, under that very name. Others may
 * have come by the name of another host, or by one whose paths are free in part.
 */
export function mayAsk(ctx: HttpRequestContext, certificates: CertificateLookup): boolean {
  const { tls } = ctx.peer;
  if (tls === null || !certificates.asksClients) return true;
  const demanded = certificates.find(ctx.host);
  if (demanded === null || demanded.client === null || isFree(demanded, ctx)) return true;
  if (!tls.verified || tls.serverName !== ctx.host) return false;
  // The certificate may have been changed since; what it demands of clients must not have.
  const { certificate } = tls;
  if (certificate === demanded) return true;
  return certificate.client?.ca === demanded.client.ca && certificate.client.depth <= demanded.client.depth;
}

/** A path that is matched with escaped slashes in it must be free both ways: as it is matched and as it reads. */
function isFree(demanded: Certificate, { uri, routePath }: HttpRequestContext): boolean {
  return demanded.frees(uri) && (routePath === uri || demanded.frees(routePath));
}

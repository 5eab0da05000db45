import type { ProxiedEnds, TlsInfo } from "../plugin/context.ts";
import type { Certificate } from "../tls/certificate-index.ts";

/** What TLS has found out about a client. */
export interface TlsPeer extends TlsInfo {
  /** The one that it was met with. */
  readonly certificate: Certificate;
  /** Whether it has proved who it is, to whoever signed for `certificate`. */
  readonly verified: boolean;
}

/** A connection that began with a PROXY header with addresses. */
export interface ProxiedPeer extends ProxiedEnds {
  /** The port of the other end of the connection itself. */
  readonly socketPort: number;
}

/** The two ends of a downstream connection, known once per connection. */
export interface Peer {
  /** The client, as far as the connection tells of it; IPv4 also where the socket is IPv6. */
  readonly address: string;
  readonly port: number;
  /** The other end of the connection itself: differs from `address` behind a PROXY header. */
  readonly socketAddress: string;
  /** `null`: no PROXY header has told of addresses. */
  readonly proxied: ProxiedPeer | null;
  readonly serverAddress: string;
  readonly serverPort: number;
  readonly scheme: "http" | "https";
  /** Requests come by HTTP/2. */
  readonly http2: boolean;
  /** `null`: the connection is in clear text. */
  readonly tls: TlsPeer | null;
  /** Unique within the process. */
  readonly connectionId: number;
  /** When it was accepted: whole milliseconds of `performance.now()`. */
  readonly acceptedMs: number;
  /** Whether it may say for whom it asks (`real_ip_from`). */
  readonly believed: boolean;
  /** Whether its X-Forwarded-* are kept (`trusted_addresses`). */
  readonly trusted: boolean;
  /** `X-Real-IP` and `X-Forwarded-For` lines for a client that sent neither. */
  readonly forwardedLines: string;
}

/** IPv4 clients of a dual-stack listener look like `::ffff:10.0.0.1`. */
export function withoutMapping(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

import { onDemand } from "../lib/on-demand.ts";

/** What a worker loads when a client, a configuration or a node asks for it. */

export const loadHttp2 = onDemand<typeof import("./http2/connection.ts")>(import.meta.url, "./http2/connection");
export const loadTlsAcceptor = onDemand<typeof import("../tls/tls-acceptor.ts")>(
  import.meta.url,
  "../tls/tls-acceptor",
);
export const loadGrpc = onDemand<typeof import("./grpc-relay.ts")>(import.meta.url, "./grpc-relay");
export const loadStreams = onDemand<typeof import("./stream/stream-server.ts")>(
  import.meta.url,
  "./stream/stream-server",
);
export const loadProxyHeader = onDemand<typeof import("./proxy-protocol/read-header.ts")>(
  import.meta.url,
  "./proxy-protocol/read-header",
);

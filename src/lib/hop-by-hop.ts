/**
 * Names of request headers that are for one hop (RFC 9110 section 7.6.1), what `Connection`
 * names aside: a copy of a request that the gateway sends itself must not take them over.
 */
export const hopByHop: readonly string[] = [
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** `node:http2`, loaded when something asks for it: few gateways have gRPC upstreams. */
export function loadHttp2(): typeof import("node:http2") {
  return process.getBuiltinModule("node:http2");
}

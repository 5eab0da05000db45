/** `node:http2`, loaded when something asks for it: clients or nodes that speak it, which many gateways have none of. */
export function loadHttp2(): typeof import("node:http2") {
  return process.getBuiltinModule("node:http2");
}

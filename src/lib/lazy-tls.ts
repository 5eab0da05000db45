/** `node:tls`, loaded when something asks for it: threads that speak no TLS start without it. */
export function loadTls(): typeof import("node:tls") {
  return process.getBuiltinModule("node:tls");
}

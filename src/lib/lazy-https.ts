/** `node:https`, loaded when something asks for it: TLS costs a thread 40 ms of its start. */
export function loadHttps(): typeof import("node:https") {
  return process.getBuiltinModule("node:https");
}

/**
 * `node:http`, without what importing it costs: an `import` reads every export, and one of
 * them, `WebSocket`, loads all of undici, 60 ms of every thread's start. Types are imported
 * from `node:http` itself.
 */
export const { Agent, createServer, request, STATUS_CODES } = process.getBuiltinModule("node:http");

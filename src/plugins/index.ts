import { createRequire } from "node:module";
import { lazyMap } from "../plugin/lazy-map.ts";
import type { BuiltPlugins } from "../plugin/plugin.ts";

const require = createRequire(import.meta.url);
/** `.js` in what is built: `require` is not rewritten there. */
const extension = import.meta.filename.slice(-3);

const load = (file: string): object => require(`./${file}${extension}`) as object;

/**
 * Every plugin that this version can run. A new one is added here. Its module is
 * loaded when a configuration names it first: each module costs every thread two
 * milliseconds of its start.
 */
export const plugins: BuiltPlugins = lazyMap([
  ["request-id", () => (load("request-id") as typeof import("./request-id.ts")).requestId],
  ["key-auth", () => (load("key-auth") as typeof import("./key-auth.ts")).keyAuth],
  ["proxy-rewrite", () => (load("proxy-rewrite") as typeof import("./proxy-rewrite.ts")).proxyRewrite],
  ["response-rewrite", () => (load("response-rewrite") as typeof import("./response-rewrite.ts")).responseRewrite],
  ["limit-count", () => (load("limit-count") as typeof import("./limit-count.ts")).limitCount],
  ["limit-req", () => (load("limit-req") as typeof import("./limit-req.ts")).limitReq],
  ["limit-conn", () => (load("limit-conn") as typeof import("./limit-conn.ts")).limitConn],
  ["api-breaker", () => (load("api-breaker") as typeof import("./api-breaker.ts")).apiBreaker],
]);

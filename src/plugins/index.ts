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
  ["basic-auth", () => (load("basic-auth") as typeof import("./basic-auth.ts")).basicAuth],
  ["jwt-auth", () => (load("jwt-auth") as typeof import("./jwt-auth.ts")).jwtAuth],
  ["hmac-auth", () => (load("hmac-auth") as typeof import("./hmac-auth.ts")).hmacAuth],
  ["proxy-rewrite", () => (load("proxy-rewrite") as typeof import("./proxy-rewrite.ts")).proxyRewrite],
  ["response-rewrite", () => (load("response-rewrite") as typeof import("./response-rewrite.ts")).responseRewrite],
  [
    "consumer-restriction",
    () => (load("consumer-restriction") as typeof import("./consumer-restriction.ts")).consumerRestriction,
  ],
  ["ip-restriction", () => (load("ip-restriction") as typeof import("./ip-restriction.ts")).ipRestriction],
  ["ua-restriction", () => (load("ua-restriction") as typeof import("./ua-restriction.ts")).uaRestriction],
  [
    "referer-restriction",
    () => (load("referer-restriction") as typeof import("./referer-restriction.ts")).refererRestriction,
  ],
  ["uri-blocker", () => (load("uri-blocker") as typeof import("./uri-blocker.ts")).uriBlocker],
  ["cors", () => (load("cors") as typeof import("./cors.ts")).cors],
  ["csrf", () => (load("csrf") as typeof import("./csrf.ts")).csrf],
  ["multi-auth", () => (load("multi-auth") as typeof import("./multi-auth.ts")).multiAuth],
  ["forward-auth", () => (load("forward-auth") as typeof import("./forward-auth.ts")).forwardAuth],
  [
    "request-validation",
    () => (load("request-validation") as typeof import("./request-validation.ts")).requestValidation,
  ],
  ["client-control", () => (load("client-control") as typeof import("./client-control.ts")).clientControl],
  ["redirect", () => (load("redirect") as typeof import("./redirect.ts")).redirect],
  ["mocking", () => (load("mocking") as typeof import("./mocking.ts")).mocking],
  ["fault-injection", () => (load("fault-injection") as typeof import("./fault-injection.ts")).faultInjection],
  ["echo", () => (load("echo") as typeof import("./echo.ts")).echo],
  ["real-ip", () => (load("real-ip") as typeof import("./real-ip.ts")).realIp],
  ["proxy-control", () => (load("proxy-control") as typeof import("./proxy-control.ts")).proxyControl],
  ["limit-count", () => (load("limit-count") as typeof import("./limit-count.ts")).limitCount],
  ["limit-req", () => (load("limit-req") as typeof import("./limit-req.ts")).limitReq],
  ["limit-conn", () => (load("limit-conn") as typeof import("./limit-conn.ts")).limitConn],
  ["api-breaker", () => (load("api-breaker") as typeof import("./api-breaker.ts")).apiBreaker],

  // Traffic.
  ["batch-requests", () => (load("batch-requests") as typeof import("./batch-requests.ts")).batchRequests],
  ["brotli", () => (load("brotli") as typeof import("./brotli.ts")).brotli],
  ["error-page", () => (load("error-page") as typeof import("./error-page.ts")).errorPage],
  ["grpc-web", () => (load("grpc-web") as typeof import("./grpc-web.ts")).grpcWeb],
  ["gzip", () => (load("gzip") as typeof import("./gzip.ts")).gzip],
  ["proxy-cache", () => (load("proxy-cache") as typeof import("./proxy-cache.ts")).proxyCache],
  ["proxy-mirror", () => (load("proxy-mirror") as typeof import("./proxy-mirror.ts")).proxyMirror],
  ["public-api", () => (load("public-api") as typeof import("./public-api.ts")).publicApi],
  ["serverless-post-function", () => (load("serverless") as typeof import("./serverless.ts")).serverlessPostFunction],
  ["serverless-pre-function", () => (load("serverless") as typeof import("./serverless.ts")).serverlessPreFunction],
  ["prometheus", () => (load("prometheus") as typeof import("./prometheus.ts")).prometheus],
  ["traffic-split", () => (load("traffic-split") as typeof import("./traffic-split.ts")).trafficSplit],
  ["workflow", () => (load("workflow") as typeof import("./workflow.ts")).workflow],

  ["ocsp-stapling", () => (load("ocsp-stapling") as typeof import("./ocsp-stapling.ts")).ocspStapling],

  // Logs and traces.
  ["http-logger", () => (load("http-logger") as typeof import("./http-logger.ts")).httpLogger],
  ["tcp-logger", () => (load("tcp-logger") as typeof import("./tcp-logger.ts")).tcpLogger],
  ["udp-logger", () => (load("udp-logger") as typeof import("./udp-logger.ts")).udpLogger],
  ["syslog", () => (load("syslog") as typeof import("./syslog.ts")).syslog],
  ["file-logger", () => (load("file-logger") as typeof import("./file-logger.ts")).fileLogger],
  ["loki-logger", () => (load("loki-logger") as typeof import("./loki-logger.ts")).lokiLogger],
  [
    "elasticsearch-logger",
    () => (load("elasticsearch-logger") as typeof import("./elasticsearch-logger.ts")).elasticsearchLogger,
  ],
  ["kafka-logger", () => (load("kafka-logger") as typeof import("./kafka-logger.ts")).kafkaLogger],
  ["opentelemetry", () => (load("opentelemetry") as typeof import("./opentelemetry.ts")).opentelemetry],
  ["zipkin", () => (load("zipkin") as typeof import("./zipkin.ts")).zipkin],
]);

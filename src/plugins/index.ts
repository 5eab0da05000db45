import type { PluginDefinition, PluginRegistry } from "../plugin/plugin.ts";
import { keyAuth } from "./key-auth.ts";
import { proxyRewrite } from "./proxy-rewrite.ts";
import { requestId } from "./request-id.ts";
import { responseRewrite } from "./response-rewrite.ts";

const definitions: readonly PluginDefinition[] = [requestId, keyAuth, proxyRewrite, responseRewrite];

/** Every plugin of this gateway. A new one is added to the list above. */
export const plugins: PluginRegistry = new Map(definitions.map((definition) => [definition.name, definition]));

/** Why a plugin's name cannot be used; `null` where it can. */
export function missingPluginReason(name: string): string | null {
  if (plugins.has(name)) return null;
  return notYet.has(name) ? `plugin ${name} is not available in this version` : `unknown plugin [${name}]`;
}

/** Plugins of APISIX 3.18 that are not built yet. */
export const notYet: ReadonlySet<string> = new Set(
  `real-ip ai exit-transformer client-control proxy-buffering proxy-control zipkin ext-plugin-pre-req fault-injection
  mocking serverless-pre-function batch-requests cors ip-restriction ua-restriction referer-restriction csrf uri-blocker
  request-validation chaitin-waf multi-auth openid-connect saml-auth cas-auth authz-casbin authz-casdoor wolf-rbac
  ldap-auth ldap-auth-advanced hmac-auth basic-auth jwt-auth jwe-decrypt dingtalk-auth feishu-auth acl
  consumer-restriction attach-consumer-label forward-auth opa authz-keycloak data-mask proxy-cache body-transformer
  ai-request-rewrite ai-prompt-guard ai-prompt-template ai-prompt-decorator ai-rag ai-aws-content-moderation
  ai-aliyun-content-moderation ai-proxy-multi ai-proxy ai-cache ai-rate-limiting ai-lakera-guard proxy-mirror
  graphql-proxy-cache workflow api-breaker graphql-limit-count limit-conn limit-count limit-req node-status brotli gzip
  server-info traffic-label traffic-split redirect oas-validator mcp-bridge degraphql kafka-proxy grpc-transcode
  grpc-web http-dubbo dubbo-proxy public-api prometheus datadog error-page lago loki-logger elasticsearch-logger echo
  loggly http-logger splunk-hec-logging skywalking skywalking-logger google-cloud-logging sls-logger tcp-logger
  kafka-logger rocketmq-logger syslog udp-logger file-logger clickhouse-logger tencent-cloud-cls inspect
  opentelemetry error-log-logger log-rotate mqtt-proxy ocsp-stapling example-plugin aws-lambda azure-functions
  openwhisk openfunction serverless-post-function ext-plugin-post-req ext-plugin-post-resp`.split(/\s+/),
);

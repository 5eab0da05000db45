import { createRequire } from "node:module";
import { lazyMap } from "../../plugin/lazy-map.ts";
import type { KnownPlugin, PluginFacts, PluginRegistry } from "../../plugin/plugin.ts";
import { plugins } from "../index.ts";

/**
 * Every plugin of APISIX 3.18. Those that are built come with their definitions; of
 * the others it is known what a configuration may say, so that it can be judged,
 * kept and handed on although this version cannot run it. Only control and the
 * commands load this, and a family's module only when one of its plugins is named.
 */

const require = createRequire(import.meta.url);
/** `.js` in what is built: `require` is not rewritten there. */
const extension = import.meta.filename.slice(-3);

const load = (file: string): object => require(`./${file}${extension}`) as object;

/** Names of plugins, and the loader of the module that describes them. */
const families: readonly (readonly [names: string, load: () => readonly PluginFacts[]])[] = [
  [
    "wolf-rbac ldap-auth-advanced ldap-auth jwe-decrypt",
    () => (load("consumer-auth") as typeof import("./consumer-auth.ts")).consumerAuth,
  ],
  [
    "openid-connect saml-auth cas-auth authz-casdoor dingtalk-auth feishu-auth",
    () => (load("single-sign-on") as typeof import("./single-sign-on.ts")).singleSignOn,
  ],
  [
    "authz-casbin acl attach-consumer-label opa authz-keycloak",
    () => (load("authorization") as typeof import("./authorization.ts")).authorization,
  ],
  ["chaitin-waf data-mask", () => (load("restrictions") as typeof import("./restrictions.ts")).restrictions],
  [
    "limit-count graphql-limit-count limit-conn limit-req api-breaker ai-rate-limiting",
    () => (load("limits") as typeof import("./limits.ts")).limits,
  ],
  [
    "proxy-buffering graphql-proxy-cache traffic-label",
    () => (load("traffic") as typeof import("./traffic.ts")).traffic,
  ],
  [
    `exit-transformer body-transformer oas-validator mcp-bridge degraphql kafka-proxy dubbo-proxy grpc-transcode
    http-dubbo mqtt-proxy`,
    () => (load("transformation") as typeof import("./transformation.ts")).transformation,
  ],
  ["ai-request-rewrite ai-proxy-multi ai-proxy", () => (load("ai-proxy") as typeof import("./ai-proxy.ts")).aiProxies],
  [
    `ai-prompt-guard ai-prompt-template ai-prompt-decorator ai-rag ai-aws-content-moderation ai-cache
    ai-aliyun-content-moderation ai-lakera-guard`,
    () => (load("ai-guards") as typeof import("./ai-guards.ts")).aiGuards,
  ],
  [
    `etcd-logger loki-logger elasticsearch-logger http-logger splunk-hec-logging skywalking-logger tcp-logger
    kafka-logger rocketmq-logger syslog udp-logger file-logger clickhouse-logger`,
    () => (load("loggers") as typeof import("./loggers.ts")).loggers,
  ],
  [
    "datadog lago loggly google-cloud-logging sls-logger tencent-cloud-cls",
    () => (load("cloud-loggers") as typeof import("./cloud-loggers.ts")).cloudLoggers,
  ],
  [
    `zipkin skywalking opentelemetry error-log-logger node-status server-info prometheus inspect log-rotate`,
    () => (load("observability") as typeof import("./observability.ts")).observability,
  ],
  [
    `ai ext-plugin-pre-req example-plugin aws-lambda azure-functions
    openwhisk openfunction ext-plugin-post-req ext-plugin-post-resp`,
    () => (load("functions") as typeof import("./functions.ts")).functions,
  ],
];

const facts: readonly (readonly [name: string, load: () => KnownPlugin])[] = families.flatMap(([names, family]) =>
  names.split(/\s+/).map((name) => [name, () => find(family(), name)] as const),
);

function find(family: readonly PluginFacts[], name: string): PluginFacts {
  const plugin = family.find((one) => one.name === name);
  if (plugin === undefined) throw new Error(`the catalogue has no facts of ${name}`);
  return plugin;
}

/** The plugins that configurations may name: APISIX's and those that only this gateway has. */
export const knownPlugins: PluginRegistry = lazyMap<KnownPlugin>([
  ...facts,
  ...[...plugins.keys()].map((name) => [name, () => plugins.get(name) as KnownPlugin] as const),
]);

/** Plugins for streams that are enabled by default. */
export const streamPlugins: readonly string[] = [
  "ip-restriction",
  "limit-conn",
  "mqtt-proxy",
  "traffic-split",
  "syslog",
];

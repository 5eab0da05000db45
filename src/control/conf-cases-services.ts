import { BRACKET, NONE, field, missing, type ConfCases } from "./conf-answers.ts";

/** Test support: plugins that talk to services: logs, traces, functions, language models. */

/** Cases of this group. */
export const serviceConfs: ConfCases = {
  "ai-aliyun-content-moderation": [
    { endpoint: "https://a", region_id: "r", access_key_id: "i", access_key_secret: "s" },
    { endpoint: "https://a", region_id: "r", access_key_id: "i" },
    missing("access_key_secret"),
  ],
  "ai-aws-content-moderation": [
    { comprehend: { access_key_id: "a", secret_access_key: "b", region: "c" } },
    { comprehend: { access_key_id: "a", secret_access_key: "b" } },
    field("comprehend", missing("region")),
  ],
  "ai-cache": [
    { redis_host: "127.0.0.1" },
    { redis_host: "127.0.0.1", layers: ["semantic"] },
    'layers must include "exact"',
  ],
  "ai-lakera-guard": [
    { api_key: "k" },
    { api_key: "k", deny_code: 700 },
    field("deny_code", "expected 700 to be at most 599"),
  ],
  "ai-prompt-decorator": [
    { append: [{ role: "user", content: "x" }] },
    { append: [{ role: "user" }] },
    field("append", `failed to validate item 1: ${missing("content")}`),
  ],
  "ai-prompt-guard": [{ deny_patterns: ["x"] }, { deny_patterns: ["a["] }, BRACKET],
  "ai-prompt-template": [
    { templates: [{ name: "t", template: { model: "m" } }] },
    { templates: [{ name: "t" }] },
    field("templates", `failed to validate item 1: ${missing("template")}`),
  ],
  "ai-proxy": [{ provider: "anthropic", auth: {} }, { provider: "anthropic" }, missing("auth")],
  "ai-proxy-multi": [
    { instances: [{ name: "a", provider: "gemini", weight: 1, auth: {} }], fallback_strategy: ["http_5xx"] },
    { instances: [{ name: "a", provider: "gemini", auth: {} }] },
    field("instances", `failed to validate item 1: ${missing("weight")}`),
  ],
  "ai-rag": [
    {
      embeddings_provider: { azure_openai: { endpoint: "e", api_key: "k" } },
      vector_search_provider: { azure_ai_search: { endpoint: "e", api_key: "k" } },
    },
    { embeddings_provider: { azure_openai: { endpoint: "e", api_key: "k" } } },
    missing("vector_search_provider"),
  ],
  "ai-rate-limiting": [
    { rules: [{ count: 1, time_window: 2, key: "$x" }] },
    { limit: 5 },
    'failed to validate dependent schema for "limit": property "time_window" is required',
  ],
  "ai-request-rewrite": [
    { prompt: "p", provider: "openai", auth: {} },
    { provider: "openai", auth: {} },
    missing("prompt"),
  ],
  "aws-lambda": [
    { function_uri: "https://a" },
    { function_uri: "https://a", timeout: 5 },
    field("timeout", "expected 5 to be at least 100"),
  ],
  "azure-functions": [{ function_uri: "https://a", authorization: { apikey: "k" } }, {}, missing("function_uri")],
  "clickhouse-logger": [
    { endpoint_addrs: ["http://a:1"], user: "u", password: "p", database: "d", logtable: "t" },
    { endpoint_addrs: ["http://a:1"], name: 1 },
    field("name", "wrong type: expected string, got number"),
  ],
  datadog: [{ constant_tags: ["a:b"] }, { retry_delay: -1 }, field("retry_delay", "expected -1 to be at least 0")],
  "elasticsearch-logger": [
    { endpoint_addrs: ["http://a"], field: { index: "i" } },
    { endpoint_addrs: ["http://a"] },
    NONE,
  ],
  "etcd-logger": [{ etcd: { urls: ["http://a:2379"] } }, {}, missing("etcd")],
  "ext-plugin-pre-req": [
    { conf: [{ name: "a", value: "b" }] },
    { conf: [{ name: "a" }] },
    field("conf", `failed to validate item 1: ${missing("value")}`),
  ],
  "file-logger": [
    { path: "x.log" },
    { path: "x.log", match: [["a", "is", "b"]] },
    "failed to validate the 'match' expression: invalid operator 'is'",
  ],
  "google-cloud-logging": [
    { auth_file: "f" },
    { auth_file: "f", auth_config: { client_email: "a", private_key: "k", project_id: "p" } },
    "value should match only one schema, but matches both schemas 1 and 2",
  ],
  "http-logger": [
    { uri: "http://a" },
    { uri: "http://a", include_req_body_expr: [["a", "is", "b"]] },
    "failed to validate the 'include_req_body_expr' expression: invalid operator 'is'",
  ],
  "kafka-logger": [{ broker_list: { a: 9092 }, kafka_topic: "t" }, { broker_list: { a: 9092 } }, NONE],
  lago: [
    {
      endpoint_addrs: ["http://a"],
      token: "t",
      event_transaction_id: "i",
      event_subscription_id: "s",
      event_code: "c",
    },
    { endpoint_addrs: ["http://a"], token: "t", event_transaction_id: "i", event_subscription_id: "s" },
    missing("event_code"),
  ],
  loggly: [
    { customer_token: "t" },
    { customer_token: "t", severity: "loud" },
    field("severity", "matches none of the enum values"),
  ],
  "loki-logger": [
    { endpoint_addrs: ["http://a"] },
    { endpoint_addrs: [] },
    field("endpoint_addrs", "expect array to have at least 1 items"),
  ],
  openfunction: [{ function_uri: "http://a" }, {}, missing("function_uri")],
  opentelemetry: [
    { sampler: { name: "always_on" } },
    { sampler: { name: "never" } },
    field("sampler", field("name", "matches none of the enum values")),
  ],
  openwhisk: [
    { api_host: "h", service_token: "t", namespace: "n", action: "a" },
    { api_host: "h", service_token: "t", namespace: "n" },
    missing("action"),
  ],
  "rocketmq-logger": [{ nameserver_list: ["a:1"], topic: "t" }, { nameserver_list: ["a:1"] }, missing("topic")],
  "serverless-pre-function": [
    { phase: "log", functions: ["return function() end"] },
    { phase: "init", functions: ["x"] },
    field("phase", "matches none of the enum values"),
  ],
  skywalking: [{ sample_ratio: 0.5 }, { sample_ratio: 2 }, field("sample_ratio", "expected 2 to be at most 1")],
  "skywalking-logger": [
    { endpoint_addr: "http://a" },
    { endpoint_addr: "a" },
    field(
      "endpoint_addr",
      'failed to match pattern "^[^\\\\/]+:\\\\/\\\\/([\\\\da-zA-Z.-]+|\\\\[[\\\\da-fA-F:]+\\\\])(:\\\\d+)?" with "a"',
    ),
  ],
  "sls-logger": [
    { host: "h", port: 1, project: "p", logstore: "l", access_key_id: "i", access_key_secret: "s" },
    { host: "h", port: 1, project: "p", logstore: "l", access_key_id: "i" },
    missing("access_key_secret"),
  ],
  "splunk-hec-logging": [
    { endpoint: { uri: "http://a", token: "t" } },
    { endpoint: { uri: "http://a" } },
    field("endpoint", missing("token")),
  ],
  syslog: [
    { host: "h", port: 514 },
    { host: "h", port: 514, pool_size: 1 },
    field("pool_size", "expected 1 to be at least 5"),
  ],
  "tcp-logger": [{ host: "h", port: 1 }, { host: "h", port: -1 }, field("port", "expected -1 to be at least 0")],
  "tencent-cloud-cls": [
    { cls_host: "h", cls_topic: "t", secret_id: "i", secret_key: "k" },
    { cls_host: "h", cls_topic: "t", secret_id: "i" },
    missing("secret_key"),
  ],
  "udp-logger": [{ host: "h", port: 1 }, { port: 1 }, missing("host")],
  zipkin: [{ endpoint: "http://a", sample_ratio: 1 }, { endpoint: "http://a" }, missing("sample_ratio")],
};

import { BRACKET, NONE, PEM, field, missing, type ConfCases } from "./conf-answers.ts";

/** Test support: plugins that guard, limit, lead and change traffic. */

/** Cases of this group. */
export const trafficConfs: ConfCases = {
  acl: [
    { deny_labels: { team: ["x"] } },
    { deny_labels: {} },
    field("deny_labels", "expect object to have at least 1 properties"),
  ],
  "api-breaker": [
    { break_response_code: 503 },
    { break_response_code: 600 },
    field("break_response_code", "expected 600 to be at most 599"),
  ],
  "attach-consumer-label": [{ headers: { "X-Team": "$team" } }, {}, missing("headers")],
  "authz-casbin": [{ model: "m", policy: "p", username: "u" }, { model: "m", policy: "p" }, NONE],
  "authz-casdoor": [
    { endpoint_addr: "e", client_id: "i", client_secret: "s", callback_url: "c" },
    { endpoint_addr: "e", client_id: "i", client_secret: "s" },
    missing("callback_url"),
  ],
  "authz-keycloak": [
    { token_endpoint: "https://a", client_id: "i" },
    { token_endpoint: "https://a" },
    `allOf 2 failed: ${missing("client_id")}`,
  ],
  "basic-auth": [
    { hide_credentials: true },
    { realm: 'a"b' },
    field("realm", 'failed to match pattern "^[ -!#-[\\\\]-~]+$" with "a\\"b"'),
  ],
  "body-transformer": [
    { response: { template: "x" } },
    { response: { template: "x", a: 1 } },
    field("response", "additional properties forbidden, found a"),
  ],
  brotli: [{ types: "*" }, { comp_level: 12 }, field("comp_level", "expected 12 to be at most 11")],
  "cas-auth": [
    { idp_uri: "i", cas_callback_uri: "c", logout_uri: "l", cookie: { secret: "x".repeat(32) } },
    { idp_uri: "i", cas_callback_uri: "c", logout_uri: "l" },
    missing("cookie"),
  ],
  "chaitin-waf": [{ mode: "monitor" }, { mode: "on" }, field("mode", "matches none of the enum values")],
  "client-control": [
    { max_body_size: 5 },
    { max_body_size: 1.5 },
    field("max_body_size", "wrong type: expected integer, got number"),
  ],
  "consumer-restriction": [
    { whitelist: ["a"] },
    {},
    'object matches none of the required: ["blacklist"] or ["whitelist"] or ["allowed_by_methods"]',
  ],
  cors: [
    { allow_credential: true, allow_origins: "https://a", allow_methods: "GET", allow_headers: "X" },
    { allow_credential: true, allow_origins: "https://a" },
    "you can not set '*' for other option when 'allow_credential' is true",
  ],
  csrf: [{ key: "k" }, { key: "k", name: 5 }, field("name", "wrong type: expected string, got number")],
  "data-mask": [
    { request: [{ type: "body", body_format: "json", name: "$.a", action: "remove" }] },
    { request: [{ type: "body", name: "$.a", action: "remove" }] },
    field("request", "failed to validate item 1: allOf 1 failed: then clause did not match"),
  ],
  degraphql: [
    { query: '{ a(b: "{") { c } }' },
    { query: "query { a" },
    "failed to parse query: Syntax error near line 1",
  ],
  "dingtalk-auth": [
    { app_key: "k", app_secret: "s", secret: "12345678", redirect_uri: "/l" },
    { app_key: "k", app_secret: "s", secret: "1234567", redirect_uri: "/l" },
    field("secret", "string too short, expected at least 8, got 7"),
  ],
  "dubbo-proxy": [{ service_name: "a", service_version: "1.0.0" }, { service_name: "a" }, missing("service_version")],
  echo: [
    { body: "x" },
    { headers: { a: "b" } },
    'object matches none of the required: ["before_body"] or ["body"] or ["after_body"]',
  ],
  "fault-injection": [
    { delay: { duration: 0.5, vars: [[["arg_a", "==", "1"]]] } },
    { delay: { duration: 0.5, vars: [[["arg_a", "=", "1"]]] } },
    "invalid operator '='",
  ],
  "feishu-auth": [
    { app_id: "i", app_secret: "s", secret: "12345678", auth_redirect_uri: "/a", redirect_uri: "/l" },
    { app_id: "i", app_secret: "s", secret: "12345678", redirect_uri: "/l" },
    missing("auth_redirect_uri"),
  ],
  "forward-auth": [
    { uri: "http://a" },
    { uri: "http://a", extra_headers: {} },
    field("extra_headers", "expect object to have at least 1 properties"),
  ],
  "graphql-limit-count": [
    { count: 5, time_window: 5 },
    { count: 5, time_window: 5, max_cost: "x" },
    field("max_cost", "wrong type: expected number, got string"),
  ],
  "graphql-proxy-cache": [{}, { cache_zone: "memory_cache" }, "invalid or empty cache_zone for cache_strategy: disk"],
  "grpc-transcode": [
    { proto_id: 1, service: "s", method: "m" },
    { proto_id: 1, service: "s", method: "m", pb_option: ["x"] },
    field("pb_option", "failed to validate item 1: matches none of the enum values"),
  ],
  "grpc-web": [{}, { cors_allow_headers: 1 }, field("cors_allow_headers", "wrong type: expected string, got number")],
  gzip: [
    { types: ["text/css"] },
    { buffers: { size: 0 } },
    field("buffers", field("size", "expected 0 to be at least 1")),
  ],
  "hmac-auth": [
    { allowed_algorithms: ["hmac-sha256"] },
    { allowed_algorithms: ["hmac-sha2"] },
    field("allowed_algorithms", "failed to validate item 1: matches none of the enum values"),
  ],
  "http-dubbo": [
    { service_name: "s", method: "m" },
    { service_name: "s", method: "m", service_version: "1" },
    field("service_version", 'failed to match pattern "^\\\\d+\\\\.\\\\d+\\\\.\\\\d+" with "1"'),
  ],
  "ip-restriction": [{ blacklist: ["::1", "10.0.0.0/8"] }, { blacklist: ["::/129"] }, "invalid ip address: ::/129"],
  "jwe-decrypt": [{}, { strict: 1 }, field("strict", "wrong type: expected boolean, got number")],
  "jwt-auth": [
    { claims_to_verify: ["exp"] },
    { claims_to_verify: ["exp", "exp"] },
    field("claims_to_verify", "expected unique items but items 1 and 2 are equal"),
  ],
  "kafka-proxy": [
    { sasl: { username: "u", password: "p" } },
    { sasl: { username: "u" } },
    field("sasl", missing("password")),
  ],
  "key-auth": [{ query: "k" }, { query: 1 }, field("query", "wrong type: expected string, got number")],
  "ldap-auth": [{ base_dn: "b", ldap_uri: "u" }, { base_dn: "b" }, missing("ldap_uri")],
  "ldap-auth-advanced": [
    { base_dn: "b", ldap_uri: "u" },
    { base_dn: "b", ldap_uri: "u", timeout: 0 },
    field("timeout", "expected 0 to be at least 1"),
  ],
  "limit-conn": [
    { conn: 1, burst: 0, default_conn_delay: 1, key: "$x" },
    { conn: 1, burst: 0, default_conn_delay: 1 },
    NONE,
  ],
  "limit-count": [
    { count: 1, time_window: "$x" },
    { count: 1, time_window: 1, policy: "redis" },
    "then clause did not match",
  ],
  "limit-req": [
    { rate: 1, burst: 0, key: "k" },
    { rate: 1, burst: 0, key: "k", policy: "redis-cluster" },
    "else clause did not match",
  ],
  "mcp-bridge": [{ command: "node" }, { args: ["x"] }, missing("command")],
  mocking: [
    { response_schema: { type: "object" } },
    { response_schema: "x" },
    field("response_schema", "wrong type: expected object, got string"),
  ],
  "multi-auth": [
    { auth_plugins: [{ "key-auth": {} }, { "jwt-auth": {} }] },
    { auth_plugins: [{ "key-auth": {} }, { cors: {} }] },
    "cors plugin is not supported",
  ],
  "oas-validator": [
    { spec_url: "https://a" },
    { spec_url: "a" },
    field("spec_url", 'failed to match pattern "^https?://" with "a"'),
  ],
  opa: [{ host: "h", policy: "p" }, { host: "h" }, missing("policy")],
  "openid-connect": [
    { client_id: "i", client_secret: "s", discovery: "d", bearer_only: true },
    { client_id: "i", client_secret: "s", discovery: "d" },
    'property "session.secret" is required when "bearer_only" is false',
  ],
  "proxy-cache": [
    { cache_strategy: "memory", cache_zone: "memory_cache" },
    { cache_zone: "mine" },
    "cache_zone mine not found",
  ],
  "proxy-mirror": [
    { host: "https://[::1]:1" },
    { host: "http://a", sample_ratio: 0.000001 },
    field("sample_ratio", "expected 1e-06 to be at least 1e-05"),
  ],
  "proxy-rewrite": [
    { regex_uri: ["^/a(.*)", "/$1"] },
    { regex_uri: ["a[", "/"] },
    `invalid regex_uri(a[, /): ${BRACKET}`,
  ],
  "public-api": [{ uri: "/x" }, { uri: 1 }, field("uri", "wrong type: expected string, got number")],
  "real-ip": [
    { source: "arg_ip", trusted_addresses: ["127.0.0.0/24"] },
    { source: "arg_ip", trusted_addresses: ["x"] },
    field("trusted_addresses", "failed to validate item 1: object matches none of the required"),
  ],
  redirect: [
    { regex_uri: ["^/a", "/$1"] },
    { regex_uri: ["^/a", "/$b"] },
    "invalid regex_uri (^/a, /$b), err:failed to compile the replacement template",
  ],
  "referer-restriction": [
    { whitelist: ["*.a.com"] },
    { whitelist: [" "] },
    field(
      "whitelist",
      'failed to validate item 1: failed to match pattern "^\\\\*$|^\\\\*?[0-9a-zA-Z-._\\\\[\\\\]:]+$" with " "',
    ),
  ],
  "request-id": [
    { algorithm: "ksuid" },
    { range_id: { length: 2 } },
    field("range_id", field("length", "expected 2 to be at least 6")),
  ],
  "request-validation": [
    { body_schema: { type: "object", properties: { type: { type: "string" } } } },
    { body_schema: { type: "object", properties: { a: { type: "text" } } } },
    "<lua>: invalid JSON type: text",
  ],
  "response-rewrite": [
    { status_code: 201 },
    { status_code: 42 },
    field("status_code", "expected 42 to be at least 200"),
  ],
  "saml-auth": [
    {
      sp_issuer: "i",
      idp_uri: "u",
      idp_cert: PEM,
      login_callback_uri: "a",
      logout_uri: "b",
      logout_callback_uri: "c",
      logout_redirect_uri: "d",
      sp_cert: PEM,
      sp_private_key: PEM,
    },
    { sp_issuer: 1 },
    field("sp_issuer", "wrong type: expected string, got number"),
  ],
  "traffic-label": [
    { rules: [{ match: [["uri", "==", "/"]], actions: [{ weight: 2 }] }] },
    { rules: [{ match: [["uri"]], actions: [{}] }] },
    "failed to validate the 'match' expression: invalid expression",
  ],
  "traffic-split": [
    { rules: [{ weighted_upstreams: [{ upstream_id: 1, weight: 2 }] }] },
    { rules: [{ match: [{ vars: ["OR"] }] }] },
    "failed to validate the 'vars' expression: rule too short",
  ],
  "ua-restriction": [{ denylist: ["bot"] }, { denylist: ["a["] }, BRACKET],
  "uri-blocker": [{ block_rules: ["x"] }, { block_rules: ["a["] }, BRACKET],
  "wolf-rbac": [{}, { server: 1 }, field("server", "wrong type: expected string, got number")],
  workflow: [
    { rules: [{ case: [["uri", "==", "/"]], actions: [["limit-count", { count: 1, time_window: 1 }]] }] },
    { rules: [{ actions: [["explode"]] }] },
    "unsupported action: explode",
  ],
};

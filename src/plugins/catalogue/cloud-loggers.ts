import type { PluginFacts } from "../../plugin/plugin.ts";
import {
  atLeast,
  between,
  endpoint,
  fields,
  flag,
  keepalive,
  list,
  object,
  oneOfWords,
  string,
  text,
  word,
} from "./fields.ts";
import { batchFields, bodyFields, checkBodies, formatFields, logMetadata } from "./log-fields.ts";

/** Plugins that write logs to services of others. */

const severities = ["DEBUG", "INFO", "NOTICE", "WARNING", "ERR", "CRIT", "ALERT", "EMEGR"];
const severity = { type: "string", enum: [...severities, ...severities.map((name) => name.toLowerCase())] };

const loggly: PluginFacts = {
  name: "loggly",
  priority: 411,
  version: "0.1",
  schema: fields(
    {
      ...batchFields("loggly"),
      ...bodyFields,
      ...formatFields,
      customer_token: string,
      severity: { ...severity, default: "INFO" },
      severity_map: { type: "object", patternProperties: { "^[1-5][0-9]{2}$": severity }, additionalProperties: false },
      tags: list(text({ pattern: "^(?!tag=)[ -~]*" }), { minItems: 1, default: ["apisix"] }),
      ssl_verify: flag(true),
    },
    { required: ["customer_token"], encrypt_fields: ["customer_token"] },
  ),
  metadataSchema: logMetadata({
    host: text({ default: "logs-01.loggly.com" }),
    port: { type: "integer", default: 514 },
    protocol: oneOfWords(["syslog", "http", "https"], "syslog"),
    timeout: { type: "integer", minimum: 1, default: 5000 },
  }),
  checkConf: checkBodies,
};

const googleScopes = ["read", "write", "admin"].map((scope) => `https://www.googleapis.com/auth/logging.${scope}`);
const scopes = list(string, {
  minItems: 1,
  default: [...googleScopes, "https://www.googleapis.com/auth/cloud-platform"],
});

const googleCloudLogging: PluginFacts = {
  name: "google-cloud-logging",
  priority: 407,
  version: "0.1",
  schema: fields(
    {
      ...batchFields("google-cloud-logging"),
      ...formatFields,
      auth_config: fields(
        {
          client_email: string,
          private_key: string,
          project_id: string,
          token_uri: text({ default: "https://oauth2.googleapis.com/token" }),
          scope: scopes,
          scopes,
          entries_uri: text({ default: "https://logging.googleapis.com/v2/entries:write" }),
        },
        { required: ["client_email", "private_key", "project_id", "token_uri"] },
      ),
      ssl_verify: flag(true),
      auth_file: string,
      resource: fields({ type: string, labels: object }, { required: ["type"], default: { type: "global" } }),
      log_id: text({ default: "apisix.apache.org%2Flogs" }),
    },
    {
      oneOf: [{ required: ["auth_config"] }, { required: ["auth_file"] }],
      encrypt_fields: ["auth_config.private_key"],
    },
  ),
  metadataSchema: logMetadata(),
};

const slsLogger: PluginFacts = {
  name: "sls-logger",
  priority: 406,
  version: "0.1",
  schema: fields(
    {
      ...batchFields("sls-logger"),
      ...bodyFields,
      ...formatFields,
      timeout: { type: "integer", minimum: 1, default: 5000 },
      host: string,
      port: { type: "integer" },
      project: string,
      logstore: string,
      access_key_id: string,
      access_key_secret: string,
    },
    {
      required: ["host", "port", "project", "logstore", "access_key_id", "access_key_secret"],
      encrypt_fields: ["access_key_secret"],
    },
  ),
  metadataSchema: logMetadata(),
  checkConf: checkBodies,
};

const tencentCloudCls: PluginFacts = {
  name: "tencent-cloud-cls",
  priority: 397,
  version: "0.1",
  schema: fields(
    {
      ...batchFields("tencent-cloud-cls"),
      ...bodyFields,
      ...formatFields,
      cls_host: string,
      cls_topic: string,
      scheme: oneOfWords(["http", "https"], "https"),
      ssl_verify: flag(true),
      secret_id: string,
      secret_key: string,
      sample_ratio: { type: "number", minimum: 0.00001, maximum: 1, default: 1 },
      global_tag: object,
    },
    { required: ["cls_host", "cls_topic", "secret_id", "secret_key"], encrypt_fields: ["secret_key"] },
  ),
  metadataSchema: logMetadata(),
  checkConf: checkBodies,
};

const lago: PluginFacts = {
  name: "lago",
  priority: 415,
  version: "0.1",
  schema: fields(
    {
      ...batchFields("lago logger", 100),
      endpoint_addrs: list(endpoint, { minItems: 1 }),
      endpoint_uri: text({ minLength: 1, default: "/api/v1/events/batch" }),
      token: string,
      event_transaction_id: string,
      event_subscription_id: string,
      event_code: string,
      event_properties: { type: "object", patternProperties: { ".*": word } },
      ssl_verify: flag(true),
      timeout: between(1, 60000, 3000),
      ...keepalive(5),
    },
    {
      required: ["endpoint_addrs", "token", "event_transaction_id", "event_subscription_id", "event_code"],
      encrypt_fields: ["token"],
    },
  ),
  metadataSchema: logMetadata(),
};

const datadog: PluginFacts = {
  name: "datadog",
  priority: 495,
  version: "0.1",
  schema: fields({
    ...batchFields("datadog"),
    prefer_name: flag(true),
    include_path: flag(false),
    include_method: flag(false),
    constant_tags: list(string, { default: [] }),
  }),
  metadataSchema: fields({
    host: text({ default: "127.0.0.1" }),
    port: atLeast(0, 8125),
    namespace: text({ default: "apisix" }),
    constant_tags: list(string, { default: ["source:apisix"] }),
    max_pending_entries: atLeast(1, 8192),
  }),
};

/** The plugins of this family. */
export const cloudLoggers: readonly PluginFacts[] = [
  datadog,
  lago,
  loggly,
  googleCloudLogging,
  slsLogger,
  tencentCloudCls,
];

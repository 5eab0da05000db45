import type { PluginFacts } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, between, endpoint, fields, flag, list, oneOfWords, string, text, word } from "./fields.ts";
import { batchFields } from "./log-fields.ts";

/** Traces, metrics and what the gateway tells of itself. */

const zipkin: PluginFacts = {
  name: "zipkin",
  priority: 12011,
  version: "0.1",
  schema: fields(
    {
      endpoint: string,
      sample_ratio: { type: "number", minimum: 0.00001, maximum: 1 },
      service_name: { ...text({ default: "APISIX" }), description: "Name of this service in traces." },
      server_addr: { ...text({ format: "ipv4" }), description: "Address of this service in traces." },
      span_version: { enum: [1, 2], default: 2 },
    },
    { required: ["endpoint", "sample_ratio"] },
  ),
};

const skywalking: PluginFacts = {
  name: "skywalking",
  priority: 12010,
  version: "0.1",
  schema: fields({ sample_ratio: { type: "number", minimum: 0.00001, maximum: 1, default: 1 } }),
  metadataSchema: fields({
    service_name: text({ default: "APISIX" }),
    service_instance_name: text({ default: "APISIX Instance Name" }),
    endpoint_addr: text({ default: "http://127.0.0.1:12800" }),
    report_interval: { type: "integer" },
  }),
};

const rootSampler = oneOfWords(["always_on", "always_off", "trace_id_ratio"]);
const samplerOptions: JsonSchema = { fraction: { type: "number", default: 0 } };

const opentelemetry: PluginFacts = {
  name: "opentelemetry",
  priority: 12009,
  version: "0.1",
  schema: fields({
    sampler: fields(
      {
        name: { ...oneOfWords(["always_on", "always_off", "trace_id_ratio", "parent_base"]), default: "always_off" },
        options: fields(
          {
            ...samplerOptions,
            root: fields(
              {
                name: { ...rootSampler, default: "always_off" },
                options: fields(samplerOptions, { default: { fraction: 0 } }),
              },
              { default: { name: "always_off", options: { fraction: 0 } } },
            ),
          },
          { default: { fraction: 0, root: { name: "always_off" } } },
        ),
      },
      { default: { name: "always_off", options: { fraction: 0, root: { name: "always_off" } } } },
    ),
    additional_attributes: list(word),
    additional_header_prefix_attributes: list(word),
  }),
  metadataSchema: fields({
    trace_id_source: oneOfWords(["x-request-id", "random"], "random"),
    resource: {
      type: "object",
      additionalProperties: { type: ["boolean", "number", "string"] },
    },
    collector: fields(
      {
        address: text({ default: "127.0.0.1:4318" }),
        request_timeout: { type: "integer", default: 3 },
        request_headers: { type: "object", additionalProperties: { type: ["boolean", "number", "string"] } },
      },
      { default: { address: "127.0.0.1:4318", request_timeout: 3 } },
    ),
    batch_span_processor: fields({
      drop_on_queue_full: flag(false),
      max_queue_size: { type: "integer", default: 1024 },
      batch_timeout: { type: "number", default: 2 },
      inactive_timeout: { type: "number", default: 1 },
      max_export_batch_size: { type: "integer", default: 16 },
    }),
    set_ngx_var: flag(false),
  }),
};

const sasl = fields(
  { mechanism: oneOfWords(["PLAIN"], "PLAIN"), user: string, password: string },
  { required: ["user", "password"] },
);

const errorLogLogger: PluginFacts = {
  name: "error-log-logger",
  priority: 1091,
  version: "0.1",
  schema: fields({}, { additionalProperties: false }),
  metadataSchema: fields(
    {
      tcp: fields(
        { host: string, port: atLeast(0), tls: flag(false), tls_server_name: string },
        { required: ["host", "port"] },
      ),
      skywalking: fields({
        endpoint_addr: { ...endpoint, default: "http://127.0.0.1:12900/v3/logs" },
        service_name: text({ default: "APISIX" }),
        service_instance_name: text({ default: "APISIX Service Instance" }),
      }),
      clickhouse: fields(
        {
          endpoint_addr: { ...endpoint, default: "http://127.0.0.1:8123" },
          user: text({ default: "default" }),
          password: text({ default: "" }),
          database: text({ default: "" }),
          logtable: text({ default: "" }),
        },
        { required: ["endpoint_addr", "user", "password", "database", "logtable"] },
      ),
      kafka: fields(
        {
          brokers: list(
            fields({ host: string, port: between(1, 65535), sasl_config: sasl }, { required: ["host", "port"] }),
            { minItems: 1, uniqueItems: true },
          ),
          kafka_topic: string,
          producer_type: oneOfWords(["async", "sync"], "async"),
          required_acks: { type: "integer", enum: [0, 1, -1], default: 1 },
          key: string,
          cluster_name: atLeast(1, 1),
          meta_refresh_interval: atLeast(1, 30),
        },
        { required: ["brokers", "kafka_topic"] },
      ),
      host: string,
      port: atLeast(0),
      tls: flag(false),
      tls_server_name: string,
      level: oneOfWords(
        ["STDERR", "EMERG", "ALERT", "CRIT", "ERR", "ERROR", "WARN", "NOTICE", "INFO", "DEBUG"],
        "WARN",
      ),
      timeout: { type: "integer", minimum: 1, default: 3 },
      keepalive: atLeast(1, 30),
      ...batchFields("error-log-logger"),
    },
    {
      oneOf: [
        { required: ["skywalking"] },
        { required: ["tcp"] },
        { required: ["clickhouse"] },
        { required: ["kafka"] },
        { required: ["host", "port"] },
      ],
      encrypt_fields: ["clickhouse.password"],
    },
  ),
};

const nodeStatus: PluginFacts = { name: "node-status", priority: 1000, version: "0.1", schema: fields({}) };
const serverInfo: PluginFacts = { name: "server-info", priority: 990, version: "0.1", schema: fields({}) };
const inspect: PluginFacts = { name: "inspect", priority: 200, version: "0.1", schema: fields({}) };
const logRotate: PluginFacts = { name: "log-rotate", priority: 100, version: "0.1", schema: fields({}) };

/** The plugins of this family. */
export const observability: readonly PluginFacts[] = [
  zipkin,
  skywalking,
  opentelemetry,
  errorLogLogger,
  nodeStatus,
  serverInfo,
  inspect,
  logRotate,
];

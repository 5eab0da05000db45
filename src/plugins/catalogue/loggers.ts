import type { PluginFacts } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
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
import { expressionFaultIn } from "../../plugin/conf-rules.ts";

/** Plugins that write logs to servers of one's own. */

interface Sink {
  readonly name: string;
  readonly priority: number;
  readonly title: string;
  readonly own: JsonSchema;
  readonly keywords: JsonSchema;
  readonly batch?: number;
}

/** A plugin that sends entries in batches, with bodies where asked for. */
function sink({ name, priority, title, own, keywords, batch }: Sink): PluginFacts {
  return {
    name,
    priority,
    version: "0.1",
    schema: fields({ ...batchFields(title, batch), ...bodyFields, ...formatFields, ...own }, keywords),
    metadataSchema: logMetadata(),
    checkConf: checkBodies,
  };
}

export const httpLogger = sink({
  name: "http-logger",
  priority: 410,
  title: "http logger",
  own: {
    uri: endpoint,
    auth_header: string,
    timeout: { type: "integer", minimum: 1, default: 3 },
    concat_method: oneOfWords(["json", "new_line"], "json"),
    ssl_verify: flag(false),
  },
  keywords: { required: ["uri"], encrypt_fields: ["auth_header"] },
});

export const tcpLogger = sink({
  name: "tcp-logger",
  priority: 405,
  title: "tcp logger",
  own: {
    host: string,
    port: atLeast(0),
    tls: flag(false),
    tls_options: string,
    timeout: { type: "integer", minimum: 1, default: 1000 },
  },
  keywords: { required: ["host", "port"] },
});

export const udpLogger = sink({
  name: "udp-logger",
  priority: 400,
  title: "udp logger",
  own: { host: string, port: atLeast(0), timeout: { type: "integer", minimum: 1, default: 3 } },
  keywords: { required: ["host", "port"] },
});

export const syslog: PluginFacts = {
  ...sink({
    name: "syslog",
    priority: 401,
    title: "sys logger",
    own: {
      host: string,
      port: { type: "integer" },
      flush_limit: { type: "integer", minimum: 1, default: 4096 },
      drop_limit: { type: "integer", default: 1048576 },
      timeout: { type: "integer", minimum: 1, default: 3000 },
      sock_type: oneOfWords(["tcp", "udp"], "tcp"),
      pool_size: atLeast(5, 5),
      tls: flag(false),
    },
    keywords: { required: ["host", "port"] },
  }),
  subsystems: ["http", "stream"],
};

export const lokiLogger = sink({
  name: "loki-logger",
  priority: 414,
  title: "loki logger",
  own: {
    endpoint_addrs: list(endpoint, { minItems: 1 }),
    endpoint_uri: text({ minLength: 1, default: "/loki/api/v1/push" }),
    tenant_id: text({ default: "fake" }),
    headers: object,
    log_labels: { type: "object", patternProperties: { ".*": word }, default: { job: "apisix" } },
    ssl_verify: flag(false),
    timeout: between(1, 60000, 3000),
    ...keepalive(5),
  },
  keywords: { required: ["endpoint_addrs"] },
});

export const elasticsearchLogger = sink({
  name: "elasticsearch-logger",
  priority: 413,
  title: "elasticsearch-logger",
  own: {
    // Without a pattern: APISIX looks for its own under a keyword that has no effect.
    endpoint_addr: string,
    endpoint_addrs: list(endpoint, { minItems: 1 }),
    field: fields({ index: string }, { required: ["index"] }),
    auth: fields({ username: word, password: word }, { required: ["username", "password"] }),
    headers: { type: "object", minProperties: 1, patternProperties: { "^[^:]+$": word } },
    timeout: { type: "integer", minimum: 1, default: 10 },
    ssl_verify: flag(true),
  },
  keywords: {
    encrypt_fields: ["auth.password"],
    oneOf: [{ required: ["endpoint_addr", "field"] }, { required: ["endpoint_addrs", "field"] }],
  },
});

const clickhouseLogger = sink({
  name: "clickhouse-logger",
  priority: 398,
  title: "clickhouse logger",
  own: {
    endpoint_addr: endpoint,
    endpoint_addrs: list(endpoint, { minItems: 1 }),
    user: text({ default: "" }),
    password: text({ default: "" }),
    database: text({ default: "" }),
    logtable: text({ default: "" }),
    timeout: { type: "integer", minimum: 1, default: 3 },
    ssl_verify: flag(true),
  },
  keywords: {
    oneOf: [
      { required: ["endpoint_addr", "user", "password", "database", "logtable"] },
      { required: ["endpoint_addrs", "user", "password", "database", "logtable"] },
    ],
    encrypt_fields: ["password"],
  },
});

const skywalkingLogger = sink({
  name: "skywalking-logger",
  priority: 408,
  title: "skywalking logger",
  own: {
    endpoint_addr: endpoint,
    service_name: text({ default: "APISIX" }),
    service_instance_name: text({ default: "APISIX Instance Name" }),
    timeout: { type: "integer", minimum: 1, default: 3 },
    ssl_verify: flag(true),
  },
  keywords: { required: ["endpoint_addr"] },
});

const splunk: PluginFacts = {
  name: "splunk-hec-logging",
  priority: 409,
  version: "0.1",
  schema: fields(
    {
      ...batchFields("splunk-hec-logging"),
      ...formatFields,
      endpoint: fields(
        {
          uri: endpoint,
          token: string,
          channel: string,
          timeout: { type: "integer", minimum: 1, default: 10 },
          keepalive_timeout: atLeast(1000, 60000),
        },
        { required: ["uri", "token"] },
      ),
      ssl_verify: flag(true),
    },
    { required: ["endpoint"], encrypt_fields: ["endpoint.token"] },
  ),
  metadataSchema: logMetadata(),
};

const sasl: JsonSchema = fields(
  { mechanism: oneOfWords(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "PLAIN"), user: string, password: string },
  { required: ["user", "password"] },
);

const brokerList = list(
  fields({ host: string, port: between(1, 65535), sasl_config: sasl }, { required: ["host", "port"] }),
  { minItems: 1, uniqueItems: true },
);

export const kafkaLogger = sink({
  name: "kafka-logger",
  priority: 403,
  title: "kafka logger",
  own: {
    meta_format: oneOfWords(["default", "origin"], "default"),
    brokers: brokerList,
    broker_list: {
      type: "object",
      minProperties: 1,
      patternProperties: { ".*": between(1, 65535) },
    },
    kafka_topic: string,
    producer_type: oneOfWords(["async", "sync"], "async"),
    required_acks: { type: "integer", enum: [1, -1], default: 1 },
    key: string,
    timeout: { type: "integer", minimum: 1, default: 3 },
    ssl: flag(false),
    ssl_verify: flag(true),
    cluster_name: atLeast(1, 1),
    producer_batch_num: atLeast(1, 200),
    producer_batch_size: atLeast(0, 1048576),
    producer_max_buffering: atLeast(1, 50000),
    producer_time_linger: atLeast(1, 1),
    meta_refresh_interval: atLeast(1, 30),
    api_version: { type: "integer", enum: [0, 1, 2], default: 1 },
  },
  keywords: {
    oneOf: [{ required: ["broker_list", "kafka_topic"] }, { required: ["brokers", "kafka_topic"] }],
    encrypt_fields: ["brokers.sasl_config.password"],
  },
});

const rocketmqLogger = sink({
  name: "rocketmq-logger",
  priority: 402,
  title: "rocketmq logger",
  own: {
    meta_format: oneOfWords(["default", "origin"], "default"),
    nameserver_list: list(string, { minItems: 1 }),
    topic: string,
    key: string,
    tag: string,
    timeout: { type: "integer", minimum: 1, default: 3 },
    use_tls: flag(false),
    access_key: text({ default: "" }),
    secret_key: text({ default: "" }),
  },
  keywords: { required: ["nameserver_list", "topic"], encrypt_fields: ["secret_key"] },
});

export const fileLogger: PluginFacts = {
  name: "file-logger",
  priority: 399,
  version: "0.1",
  schema: fields({
    path: string,
    ...formatFields,
    ...bodyFields,
    match: list({ anyOf: [{ type: "array" }, string] }, { maxItems: 20 }),
  }),
  metadataSchema: fields({ path: string, ...formatFields }),
  checkConf(conf, { metadata }) {
    if (conf.path === undefined && metadata !== undefined && metadata("file-logger")?.path === undefined) {
      return 'property "path" is not set in either the plugin conf or the metadata';
    }
    return (
      expressionFaultIn("match", conf.match) ?? checkBodies(conf, { plugin: () => undefined, schemaFault: () => null })
    );
  },
};

const etcdLogger = sink({
  name: "etcd-logger",
  priority: 416,
  title: "etcd logger",
  own: {
    etcd: fields(
      {
        urls: list(endpoint, { minItems: 1 }),
        key_prefix: text({ default: "/apisix/logs" }),
        ttl: atLeast(0, 0),
      },
      { required: ["urls"] },
    ),
    auth: fields({ username: word, password: word }, { required: ["username", "password"] }),
    timeout: atLeast(1, 10),
    ssl_verify: flag(true),
    http_methods: list(string, { default: [] }),
  },
  keywords: { required: ["etcd"], encrypt_fields: ["auth.password"] },
});

/** The plugins of this family. */
export const loggers: readonly PluginFacts[] = [
  etcdLogger,
  lokiLogger,
  elasticsearchLogger,
  httpLogger,
  splunk,
  skywalkingLogger,
  tcpLogger,
  kafkaLogger,
  rocketmqLogger,
  syslog,
  udpLogger,
  fileLogger,
  clickhouseLogger,
];

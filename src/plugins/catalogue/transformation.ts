import type { PluginFacts } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { idSchema } from "../../schema/metadata.ts";
import { atLeast, between, fields, flag, list, maxBodySize, oneOfWords, string, text, word } from "./fields.ts";

/** Plugins that change messages, or speak another protocol to the upstream. */

const transform: JsonSchema = fields(
  {
    input_format: oneOfWords(["xml", "json", "encoded", "args", "plain", "multipart"]),
    template: string,
    template_is_base64: { type: "boolean" },
  },
  { required: ["template"], additionalProperties: false },
);

const bodyTransformer: PluginFacts = {
  name: "body-transformer",
  priority: 1080,
  version: "0.1",
  schema: fields(
    {
      request: transform,
      response: transform,
      max_req_body_size: maxBodySize,
      max_resp_body_size: maxBodySize,
    },
    { anyOf: [{ required: ["request"] }, { required: ["response"] }, { required: ["request", "response"] }] },
  ),
};

const degraphql: PluginFacts = {
  name: "degraphql",
  priority: 509,
  version: "0.1",
  schema: fields(
    {
      query: text({ minLength: 1, maxLength: 1024 }),
      variables: list(string, { minItems: 1 }),
      operation_name: text({ minLength: 1, maxLength: 1024 }),
    },
    { required: ["query"] },
  ),
  checkConf: ({ query }) => queryFault(String(query)),
};

/** Judges no more of GraphQL than that its brackets match. */
function queryFault(query: string): string | null {
  const open: string[] = [];
  const text = query.replaceAll(/"(?:[^"\\\n]|\\.)*"|#[^\n]*/g, "");
  for (const [bracket] of text.matchAll(/[()[\]{}]/g)) {
    const partner = { ")": "(", "]": "[", "}": "{" }[bracket];
    if (partner === undefined) open.push(bracket);
    else if (open.pop() !== partner) return "failed to parse query: Syntax error near line 1";
  }
  return open.length === 0 ? null : "failed to parse query: Syntax error near line 1";
}

const oasValidator: PluginFacts = {
  name: "oas-validator",
  priority: 512,
  version: "0.1",
  schema: fields(
    {
      spec: word,
      spec_url: text({ pattern: "^https?://" }),
      spec_url_request_headers: { type: "object", additionalProperties: string },
      ssl_verify: flag(false),
      timeout: between(1000, 60000, 10000),
      verbose_errors: flag(false),
      skip_request_body_validation: flag(false),
      skip_request_header_validation: flag(false),
      skip_query_param_validation: flag(false),
      skip_path_params_validation: flag(false),
      reject_if_not_match: flag(true),
      rejection_status_code: between(400, 599, 400),
    },
    { oneOf: [{ required: ["spec"] }, { required: ["spec_url"] }] },
  ),
  metadataSchema: fields({ spec_url_ttl: atLeast(1, 3600) }),
};

const mcpBridge: PluginFacts = {
  name: "mcp-bridge",
  priority: 510,
  version: "0.1",
  schema: fields(
    { base_uri: text({ default: "" }), command: word, args: list(string, { minItems: 0 }) },
    { required: ["command"] },
  ),
};

const kafkaProxy: PluginFacts = {
  name: "kafka-proxy",
  priority: 508,
  version: "0.1",
  schema: fields(
    {
      sasl: fields({ username: string, password: string }, { required: ["username", "password"] }),
    },
    { encrypt_fields: ["sasl.password"] },
  ),
};

const pbOptions = (
  "enum_as_name enum_as_value int64_as_number int64_as_string int64_as_hexstring auto_default_values " +
  "no_default_values use_default_values use_default_metatable enable_hooks disable_hooks"
).split(" ");

const grpcTranscode: PluginFacts = {
  name: "grpc-transcode",
  priority: 506,
  version: "0.1",
  schema: fields(
    {
      proto_id: idSchema,
      service: { ...string, description: "Full name of the service." },
      method: { ...string, description: "Name of the method." },
      deadline: { type: "number", default: 0, description: "Milliseconds that a call may take; 0: any." },
      pb_option: list(oneOfWords(pbOptions), {
        minItems: 1,
        default: ["enum_as_name", "int64_as_number", "auto_default_values", "disable_hooks"],
      }),
      show_status_in_body: { ...flag(false), description: "Whether `grpc-status-details-bin` goes into the body." },
      status_detail_type: { ...string, description: "Type of `details` in the status." },
      max_resp_body_size: maxBodySize,
    },
    { required: ["proto_id", "service", "method"] },
  ),
};

const httpDubbo: PluginFacts = {
  name: "http-dubbo",
  priority: 504,
  version: "0.1",
  schema: fields(
    {
      service_name: word,
      service_version: text({ pattern: "^\\d+\\.\\d+\\.\\d+", default: "0.0.0" }),
      method: word,
      params_type_desc: text({ default: "" }),
      serialization_header_key: string,
      serialized: flag(false),
      connect_timeout: { type: "number", default: 6000 },
      read_timeout: { type: "number", default: 6000 },
      send_timeout: { type: "number", default: 6000 },
      max_req_body_size: maxBodySize,
    },
    { required: ["service_name", "method"] },
  ),
};

const dubboProxy: PluginFacts = {
  name: "dubbo-proxy",
  priority: 507,
  version: "0.1",
  schema: fields(
    {
      service_name: word,
      service_version: text({ pattern: "^\\d+\\.\\d+\\.\\d+" }),
      method: word,
    },
    { required: ["service_name", "service_version"] },
  ),
};

const mqttProxy: PluginFacts = {
  name: "mqtt-proxy",
  priority: 1000,
  version: "0.1",
  subsystems: ["stream"],
  schema: fields(
    { protocol_name: text({ default: "MQTT" }), protocol_level: { type: "integer" } },
    { required: ["protocol_level"] },
  ),
};

const exitTransformer: PluginFacts = {
  name: "exit-transformer",
  priority: 22950,
  version: "0.1",
  schema: fields({ functions: list(string) }, { required: ["functions"] }),
};

/** The plugins of this family. */
export const transformation: readonly PluginFacts[] = [
  exitTransformer,
  bodyTransformer,
  oasValidator,
  mcpBridge,
  degraphql,
  kafkaProxy,
  dubboProxy,
  grpcTranscode,
  httpDubbo,
  mqttProxy,
];

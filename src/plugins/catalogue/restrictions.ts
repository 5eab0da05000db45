import type { PluginFacts } from "../../plugin/plugin.ts";
import { hostSchema, ipSchema, remoteAddrSchema } from "../../schema/address.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, between, fields, flag, list, maxBodySize, object, oneOfWords, string, text, word } from "./fields.ts";
import { addressFaultIn, firstOf, pcreFaultIn } from "../../plugin/conf-rules.ts";

/** Plugins that look at a request and refuse it, or take something out of it. */

const { anyOf } = remoteAddrSchema;
const addresses = list({ anyOf }, { minItems: 1 });
const message = (byDefault: string): JsonSchema => text({ minLength: 1, maxLength: 1024, default: byDefault });

const realIp: PluginFacts = {
  name: "real-ip",
  priority: 23000,
  version: "0.1",
  schema: fields({ source: word, trusted_addresses: addresses, recursive: flag(false) }, { required: ["source"] }),
  checkConf: ({ trusted_addresses: trusted }) => addressFaultIn(trusted),
};

const clientControl: PluginFacts = {
  name: "client-control",
  priority: 22000,
  version: "0.1",
  schema: fields({ max_body_size: { ...atLeast(0), description: "Greatest size of a body in bytes; 0: any." } }),
};

const ipRestriction: PluginFacts = {
  name: "ip-restriction",
  priority: 3000,
  version: "0.1",
  subsystems: ["http", "stream"],
  schema: fields(
    {
      message: message("Your IP address is not allowed"),
      response_code: between(403, 404, 403),
      whitelist: addresses,
      blacklist: addresses,
    },
    { oneOf: [{ required: ["whitelist"] }, { required: ["blacklist"] }] },
  ),
  checkConf: ({ whitelist, blacklist }) => firstOf(addressFaultIn(whitelist), addressFaultIn(blacklist)),
};

const uaRestriction: PluginFacts = {
  name: "ua-restriction",
  priority: 2999,
  version: "0.1",
  schema: fields(
    {
      bypass_missing: flag(false),
      allowlist: list(word, { minItems: 1 }),
      denylist: list(word, { minItems: 1 }),
      message: message("Not allowed"),
    },
    { oneOf: [{ required: ["allowlist"] }, { required: ["denylist"] }] },
  ),
  checkConf: ({ allowlist, denylist }) => firstOf(pcreFaultIn(allowlist), pcreFaultIn(denylist)),
};

const refererRestriction: PluginFacts = {
  name: "referer-restriction",
  priority: 2990,
  version: "0.1",
  schema: fields(
    {
      bypass_missing: flag(false),
      whitelist: list(hostSchema, { minItems: 1 }),
      blacklist: list(hostSchema, { minItems: 1 }),
      message: message("Your referer host is not allowed"),
    },
    { oneOf: [{ required: ["whitelist"] }, { required: ["blacklist"] }] },
  ),
};

const csrf: PluginFacts = {
  name: "csrf",
  priority: 2980,
  version: "0.1",
  schema: fields(
    {
      key: { ...string, description: "Key that tokens are signed with." },
      expires: { type: "integer", default: 7200, description: "Seconds that a token is good for." },
      name: { ...text({ default: "apisix-csrf-token" }), description: "Name of the cookie and header." },
    },
    { required: ["key"], encrypt_fields: ["key"] },
  ),
};

const uriBlocker: PluginFacts = {
  name: "uri-blocker",
  priority: 2900,
  version: "0.1",
  schema: fields(
    {
      block_rules: list(text({ minLength: 1, maxLength: 4096 }), { uniqueItems: true }),
      rejected_code: atLeast(200, 403),
      rejected_msg: word,
      case_insensitive: flag(false),
    },
    { required: ["block_rules"] },
  ),
  checkConf: ({ block_rules: rules }) => pcreFaultIn(rules),
};

const requestValidation: PluginFacts = {
  name: "request-validation",
  priority: 2800,
  version: "0.1",
  schema: fields(
    {
      header_schema: object,
      body_schema: object,
      rejected_code: between(200, 599, 400),
      rejected_msg: text({ minLength: 1, maxLength: 256 }),
      max_req_body_size: { ...maxBodySize, description: "Bytes of a body that is judged; beyond, it is refused." },
    },
    { anyOf: [{ required: ["header_schema"] }, { required: ["body_schema"] }] },
  ),
  checkConf: ({ header_schema: header, body_schema: body }) => firstOf(typeFault(header), typeFault(body)),
};

const types = new Set(["string", "number", "integer", "boolean", "object", "array", "null", "table", "function"]);

/** A `type` that no JSON Schema knows, anywhere in a schema. */
function typeFault(schema: unknown): string | null {
  if (typeof schema !== "object" || schema === null) return null;
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === "type" && typeof value === "string" && !types.has(value))
      return `<lua>: invalid JSON type: ${value}`;
    const named = keyword === "properties" || keyword === "patternProperties";
    const inner = named ? Object.values((value ?? {}) as object) : keyword === "items" ? [value] : [];
    const fault = firstOf(...inner.map(typeFault));
    if (fault !== null) return fault;
  }
  return null;
}

const origins = "^(\\*|\\*\\*|null|\\w+://[^,]+(,\\w+://[^,]+)*)$";
const patterns = list(text({ minLength: 1, maxLength: 4096 }), { minItems: 1, uniqueItems: true });

const cors: PluginFacts = {
  name: "cors",
  priority: 4000,
  version: "0.1",
  schema: fields({
    allow_origins: { ...text({ pattern: origins, default: "*" }), description: "Origins, `*` or `**` for all." },
    allow_methods: { ...text({ default: "*" }), description: "Methods, `*` or `**` for all." },
    allow_headers: { ...text({ default: "*" }), description: "Request headers, `*` or `**` for all." },
    expose_headers: { ...string, description: "Headers that scripts may read." },
    max_age: { type: "integer", default: 5, description: "Seconds that browsers keep the answer." },
    allow_credential: { ...flag(false), description: "Whether cookies may be sent; forbids `*`." },
    allow_origins_by_regex: { ...patterns, description: "Patterns of origins." },
    allow_origins_by_metadata: { ...patterns, description: "Names of origins in the metadata." },
    timing_allow_origins: { ...text({ pattern: origins }), description: "Origins that may read timings." },
    timing_allow_origins_by_regex: { ...patterns, description: "Patterns of origins that may read timings." },
  }),
  metadataSchema: fields({
    allow_origins: {
      type: "object",
      additionalProperties: text({ pattern: origins }),
    },
  }),
  checkConf: (conf) =>
    firstOf(
      pcreFaultIn(conf.allow_origins_by_regex),
      pcreFaultIn(conf.timing_allow_origins_by_regex),
      conf.allow_credential === true && starred.some((name) => conf[name] === "*")
        ? "you can not set '*' for other option when 'allow_credential' is true"
        : null,
    ),
};

const starred = ["allow_origins", "allow_methods", "allow_headers", "expose_headers", "timing_allow_origins"];

const chaitinWaf: PluginFacts = {
  name: "chaitin-waf",
  priority: 2700,
  version: "0.1",
  schema: fields({
    mode: oneOfWords(["off", "monitor", "block"]),
    match: list(fields({ vars: { type: "array" } })),
    append_waf_resp_header: flag(true),
    append_waf_debug_header: flag(false),
    config: fields({
      connect_timeout: { type: "integer" },
      send_timeout: { type: "integer" },
      read_timeout: { type: "integer" },
      req_body_size: { type: "integer" },
      keepalive_size: { type: "integer" },
      keepalive_timeout: { type: "integer" },
      real_client_ip: { type: "boolean" },
    }),
  }),
  metadataSchema: fields(
    {
      mode: oneOfWords(["off", "monitor", "block"]),
      nodes: list(
        fields(
          { host: { anyOf: [ipSchema, hostSchema, string] }, port: between(1, 65535, 80) },
          { required: ["host"] },
        ),
        { minItems: 1 },
      ),
      config: object,
    },
    { required: ["nodes"] },
  ),
};

const when = (field: string, value: string, required: readonly string[]): JsonSchema => ({
  if: { properties: { [field]: { const: value } } },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema.
  then: { required },
});

const dataMask: PluginFacts = {
  name: "data-mask",
  priority: 1500,
  version: "0.1",
  schema: fields({
    request: list(
      fields(
        {
          type: oneOfWords(["query", "header", "body"]),
          body_format: oneOfWords(["json", "urlencoded"]),
          name: word,
          action: oneOfWords(["remove", "replace", "regex"]),
          regex: string,
          value: string,
        },
        {
          required: ["type", "name", "action"],
          allOf: [
            when("type", "body", ["body_format"]),
            when("action", "regex", ["regex", "value"]),
            when("action", "replace", ["value"]),
          ],
        },
      ),
    ),
    max_body_size: { type: "integer", exclusiveMinimum: 0, default: 1048576 },
    max_req_post_args: atLeast(0, 100),
  }),
};

/** The plugins of this family. */
export const restrictions: readonly PluginFacts[] = [
  realIp,
  clientControl,
  cors,
  ipRestriction,
  uaRestriction,
  refererRestriction,
  csrf,
  uriBlocker,
  requestValidation,
  chaitinWaf,
  dataMask,
];

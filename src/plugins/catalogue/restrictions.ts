import type { PluginFacts } from "../../plugin/plugin.ts";
import { hostSchema, ipSchema, remoteAddrSchema } from "../../schema/address.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, between, fields, flag, list, maxBodySize, object, oneOfWords, string, text, word } from "./fields.ts";
import { addressFaultIn, firstOf } from "../../plugin/conf-rules.ts";

/** Plugins that look at a request and refuse it, or take something out of it. */

const { anyOf } = remoteAddrSchema;
const addresses = list({ anyOf }, { minItems: 1 });

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
export const restrictions: readonly PluginFacts[] = [realIp, clientControl, requestValidation, chaitinWaf, dataMask];

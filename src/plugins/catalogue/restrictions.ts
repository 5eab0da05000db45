import type { PluginFacts } from "../../plugin/plugin.ts";
import { hostSchema, ipSchema } from "../../schema/address.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, between, fields, flag, list, object, oneOfWords, string, word } from "./fields.ts";

/** Plugins that look at a request and refuse it, or take something out of it. */

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
export const restrictions: readonly PluginFacts[] = [chaitinWaf, dataMask];

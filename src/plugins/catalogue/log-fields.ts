import type { ConfRule } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, fields, flag, list, object, text } from "./fields.ts";
import { expressionFaultIn, firstOf } from "../../plugin/conf-rules.ts";

/** What the plugins that write logs have in common. */

/** Entries are sent in batches; times in seconds. */
export const batchFields = (name: string, size = 1000): JsonSchema => ({
  name: text({ default: name }),
  max_retry_count: atLeast(0, 0),
  retry_delay: atLeast(0, 1),
  buffer_duration: atLeast(1, 60),
  inactive_timeout: atLeast(1, 5),
  batch_max_size: atLeast(1, size),
});

const expressions = list({ type: "array" }, { minItems: 1 });

/** Whether bodies are logged; sizes in bytes. */
export const bodyFields: JsonSchema = {
  include_req_body: flag(false),
  include_req_body_expr: expressions,
  include_resp_body: flag(false),
  include_resp_body_expr: expressions,
  max_req_body_bytes: atLeast(1, 524288),
  max_resp_body_bytes: atLeast(1, 524288),
};

/** What an entry holds. */
export const formatFields: JsonSchema = { log_format: object, log_format_extra: object };

/** Metadata of a plugin that sends batches; `more` are its own fields. */
export const logMetadata = (more: JsonSchema = {}): JsonSchema =>
  fields({
    ...formatFields,
    max_pending_entries: { ...atLeast(1, 8192), description: "Entries that may wait; beyond, new ones are dropped." },
    ...more,
  });

/** The expressions that decide whether a body is logged. */
export const checkBodies: ConfRule = (conf) =>
  firstOf(...["include_req_body_expr", "include_resp_body_expr"].map((name) => expressionFaultIn(name, conf[name])));

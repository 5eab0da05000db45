import { reasonOf } from "../lib/errors.ts";
import { firstOf } from "../plugin/conf-rules.ts";
import type { RequestContext } from "../plugin/context.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import type { PluginHandlers, Reply } from "../plugin/plugin.ts";
import { compileSafeRegex, MAX_SUBJECT } from "../plugin/safe-regex.ts";
import { draft07 } from "../schema/draft-07.ts";
import type { JsonSchema } from "../schema/json-schema.ts";
import { compileSchema, type Pattern, type Validator } from "../schema/validator.ts";
import { decodeForm, headerFields } from "./request-validation-input.ts";

export const requestValidation = definePlugin({
  name: "request-validation",
  summary: "Judges headers and bodies of requests by JSON Schemas, and fills the schemas' defaults into JSON bodies.",
  priority: 2800,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      header_schema: { type: "object", $comment: "Schema of the headers, an object with names in lower case." },
      body_schema: { type: "object", $comment: "Schema of the body: JSON, or a form as an object of texts." },
      rejected_code: { type: "integer", minimum: 200, maximum: 599, default: 400, $comment: "Status of a refusal." },
      rejected_msg: {
        type: "string",
        minLength: 1,
        maxLength: 256,
        $comment: "Body of a refusal; without it the fault is named.",
      },
      max_req_body_size: {
        type: "integer",
        minimum: 1,
        default: 67108864,
        description: "Bytes of a body that is judged; beyond, it is refused.",
      },
    },
    anyOf: [{ required: ["header_schema"] }, { required: ["body_schema"] }],
  },
  checkConf: ({ header_schema: header, body_schema: body }) =>
    firstOf(typeFault(header), typeFault(body), formFault("header_schema", header), formFault("body_schema", body)),

  compile(conf): PluginHandlers {
    const headers = compileNamed("header_schema", conf.header_schema);
    const body = compileNamed("body_schema", conf.body_schema);
    const isObject = conf.body_schema?.["type"] === "object";
    const refusal = (fault: string): Reply => reply(conf.rejected_code, conf.rejected_msg ?? fault);
    const tooLarge = reply(413);

    async function judgeBody(ctx: RequestContext, validator: Validator): Promise<Reply | undefined> {
      const bytes = await ctx.readBody(conf.max_req_body_size);
      if (bytes === null) return tooLarge;
      if (bytes.length === 0) return refusal("");
      if (isForm(ctx)) {
        const form = validator.check(decodeForm(bytes));
        return form === null ? undefined : refusal(form.message);
      }
      let value: unknown;
      try {
        value = JSON.parse(bytes.toString());
      } catch {
        return refusal("the body is no JSON");
      }
      // Lua's one empty table.
      if (isObject && Array.isArray(value) && value.length === 0) value = {};
      const before = JSON.stringify(value);
      const fault = validator.check(value);
      if (fault !== null) return refusal(fault.message);
      const filled = JSON.stringify(value);
      if (filled !== before) ctx.upstream.body = Buffer.from(filled);
      return undefined;
    }

    return {
      rewrite(ctx) {
        const fault = headers === null ? null : headers.check(headerFields(ctx));
        if (fault !== null) return refusal(fault.message);
        return body === null ? undefined : judgeBody(ctx, body);
      },
    };
  },
});

const isForm = (ctx: RequestContext): boolean =>
  /^application\/x-www-form-urlencoded *(?:;|$)/i.test(ctx.header("content-type") ?? "");

/** A pattern of a schema: bounded in time, and no text beyond the bound matches it. */
function pattern(text: string): Pattern {
  const expression = compileSafeRegex(text);
  return { test: (subject) => subject.length <= MAX_SUBJECT && expression.test(subject) };
}

function compileNamed(attribute: string, schema: JsonSchema | undefined): Validator | null {
  if (schema === undefined) return null;
  try {
    return compileSchema(schema, { pattern });
  } catch (error) {
    throw new Error(`${attribute}: ${reasonOf(error)}`, { cause: error });
  }
}

/** What is no schema of draft-07. A pattern that is none is found when the schema is compiled, as in APISIX. */
function formFault(attribute: string, schema: unknown): string | null {
  if (schema === undefined) return null;
  const fault = compileSchema(draft07, { pattern }).check(structuredClone(schema));
  return fault === null ? null : `${attribute}: ${fault.message}`;
}

const types = new Set(["string", "number", "integer", "boolean", "object", "array", "null", "table", "function"]);

/** A `type` that no JSON Schema knows, anywhere in a schema. */
function typeFault(schema: unknown): string | null {
  if (typeof schema !== "object" || schema === null) return null;
  for (const [keyword, value] of Object.entries(schema as JsonSchema)) {
    if (keyword === "type" && typeof value === "string" && !types.has(value))
      return `<lua>: invalid JSON type: ${value}`;
    const named = keyword === "properties" || keyword === "patternProperties";
    const inner = named ? Object.values((value ?? {}) as object) : keyword === "items" ? [value] : [];
    const fault = firstOf(...inner.map(typeFault));
    if (fault !== null) return fault;
  }
  return null;
}

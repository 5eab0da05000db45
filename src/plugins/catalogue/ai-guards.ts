import type { PluginFacts } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import {
  atLeast,
  between,
  endpoint,
  fields,
  flag,
  list,
  maxBodySize,
  object,
  oneOfWords,
  string,
  text,
  word,
} from "./fields.ts";
import { redisFields } from "./redis.ts";
import { firstOf, pcreFault } from "../../plugin/conf-rules.ts";

/** Plugins around language models: prompts, moderation, retrieval, caches. */

const failMode = oneOfWords(["skip", "warn", "error"], "skip");
const prompts = list(
  fields({ role: oneOfWords(["system", "user", "assistant"]), content: word }, { required: ["role", "content"] }),
  {
    minItems: 1,
  },
);

const promptGuard: PluginFacts = {
  name: "ai-prompt-guard",
  priority: 1072,
  version: "0.1",
  schema: fields({
    match_all_roles: flag(false),
    match_all_conversation_history: flag(false),
    allow_patterns: list(string, { default: [] }),
    deny_patterns: list(string, { default: [] }),
    fail_mode: failMode,
    max_req_body_size: maxBodySize,
  }),
  checkConf: ({ allow_patterns: allow, deny_patterns: deny }) => {
    const patterns = [...((allow ?? []) as readonly string[]), ...((deny ?? []) as readonly string[])];
    return firstOf(...patterns.map(pcreFault));
  },
};

const promptTemplate: PluginFacts = {
  name: "ai-prompt-template",
  priority: 1071,
  version: "0.1",
  schema: fields(
    {
      templates: list(fields({ name: word, template: object }, { required: ["name", "template"] }), { minItems: 1 }),
      max_req_body_size: maxBodySize,
    },
    { required: ["templates"] },
  ),
};

const promptDecorator: PluginFacts = {
  name: "ai-prompt-decorator",
  priority: 1070,
  version: "0.1",
  schema: fields(
    { prepend: prompts, append: prompts, max_req_body_size: maxBodySize },
    { anyOf: [{ required: ["prepend"] }, { required: ["append"] }, { required: ["append", "prepend"] }] },
  ),
};

const azure = (name: string): JsonSchema =>
  fields(
    { [name]: fields({ endpoint: string, api_key: string }, { required: ["endpoint", "api_key"] }) },
    { required: [name] },
  );

const rag: PluginFacts = {
  name: "ai-rag",
  priority: 1060,
  version: "0.1",
  schema: fields(
    {
      embeddings_provider: azure("azure_openai"),
      vector_search_provider: azure("azure_ai_search"),
      ssl_verify: flag(true),
      max_req_body_size: maxBodySize,
    },
    {
      required: ["embeddings_provider", "vector_search_provider"],
      encrypt_fields: ["embeddings_provider.azure_openai.api_key", "vector_search_provider.azure_ai_search.api_key"],
    },
  ),
};

const share = { type: "number", minimum: 0, maximum: 1 };

const awsModeration: PluginFacts = {
  name: "ai-aws-content-moderation",
  priority: 1050,
  version: "0.1",
  schema: fields(
    {
      comprehend: fields(
        {
          access_key_id: string,
          secret_access_key: string,
          region: string,
          endpoint: text({ pattern: "^https?://" }),
          ssl_verify: flag(true),
        },
        { required: ["access_key_id", "secret_access_key", "region"] },
      ),
      moderation_categories: {
        type: "object",
        patternProperties: {
          "^(PROFANITY|HATE_SPEECH|INSULT|HARASSMENT_OR_ABUSE|SEXUAL|VIOLENCE_OR_THREAT)$": share,
        },
        additionalProperties: false,
      },
      moderation_threshold: { ...share, default: 0.5 },
      fail_mode: failMode,
      max_req_body_size: maxBodySize,
    },
    { required: ["comprehend"], encrypt_fields: ["comprehend.secret_access_key"] },
  ),
};

const aliyunModeration: PluginFacts = {
  name: "ai-aliyun-content-moderation",
  priority: 1029,
  version: "0.1",
  schema: fields(
    {
      stream_check_mode: oneOfWords(["realtime", "final_packet"], "final_packet"),
      stream_check_cache_size: atLeast(1, 128),
      stream_check_interval: { type: "number", minimum: 0.1, default: 3 },
      endpoint: word,
      region_id: word,
      access_key_id: word,
      access_key_secret: word,
      check_request: flag(true),
      check_response: flag(false),
      request_check_service: text({ minLength: 1, default: "llm_query_moderation" }),
      request_check_length_limit: { type: "number", default: 2000 },
      response_check_service: text({ minLength: 1, default: "llm_response_moderation" }),
      response_check_length_limit: { type: "number", default: 5000 },
      risk_level_bar: oneOfWords(["none", "low", "medium", "high", "max"], "high"),
      deny_code: { type: "number", default: 200 },
      deny_message: string,
      fail_mode: failMode,
      timeout: atLeast(1, 10000),
      keepalive_pool: atLeast(1, 30),
      keepalive: flag(true),
      keepalive_timeout: atLeast(1000, 60000),
      ssl_verify: flag(true),
    },
    {
      required: ["endpoint", "region_id", "access_key_id", "access_key_secret"],
      encrypt_fields: ["access_key_secret"],
    },
  ),
};

const lakeraGuard: PluginFacts = {
  name: "ai-lakera-guard",
  priority: 1028,
  version: "0.1",
  schema: fields(
    {
      api_key: word,
      lakera_endpoint: text({ minLength: 1, default: "https://api.lakera.ai/v2/guard" }),
      project_id: word,
      direction: oneOfWords(["input", "output", "both"], "input"),
      action: oneOfWords(["block", "alert"], "block"),
      fail_open: flag(false),
      fail_mode: failMode,
      timeout: atLeast(1, 5000),
      ssl_verify: flag(true),
      reveal_failure_categories: flag(false),
      deny_code: between(200, 599, 200),
      request_failure_message: text({ default: "Request blocked by Lakera Guard" }),
      response_failure_message: text({ default: "Response blocked by Lakera Guard" }),
    },
    { required: ["api_key"], encrypt_fields: ["api_key"] },
  ),
};

const embedding: JsonSchema = { dimensions: atLeast(1), ssl_verify: flag(true), timeout: atLeast(1, 5000) };

const semantic: JsonSchema = fields(
  {
    similarity_threshold: { ...share, default: 0.95 },
    top_k: atLeast(1, 1),
    distance_metric: oneOfWords(["cosine"], "cosine"),
    ttl: atLeast(1, 86400),
    match: fields({
      message_countback: atLeast(1, 1),
      ignore_system_prompts: flag(true),
      ignore_assistant_prompts: flag(true),
      ignore_tool_prompts: flag(true),
    }),
    embedding: fields(
      {
        openai: fields({ endpoint, model: word, api_key: word, ...embedding }, { required: ["model", "api_key"] }),
        azure_openai: fields({ endpoint, api_key: word, ...embedding }, { required: ["endpoint", "api_key"] }),
      },
      { oneOf: [{ required: ["openai"] }, { required: ["azure_openai"] }] },
    ),
    vector_search: fields({ redis: fields({ index: text({ minLength: 1, default: "ai-cache" }) }) }),
  },
  { required: ["embedding", "vector_search"] },
);

const cache: PluginFacts = {
  name: "ai-cache",
  priority: 1035,
  version: "0.1",
  schema: fields(
    {
      layers: list(oneOfWords(["exact", "semantic"]), { minItems: 1, uniqueItems: true, default: ["exact"] }),
      exact: fields({ ttl: atLeast(1, 3600) }),
      semantic,
      cache_key: fields({
        share_across_routes: flag(false),
        include_consumer: flag(false),
        include_vars: list(string, { default: [] }),
      }),
      max_cache_body_size: atLeast(0, 1048576),
      cache_headers: flag(true),
      fail_mode: failMode,
      bypass_on: list(fields({ header: word, equals: string }, { required: ["header", "equals"] }), { minItems: 1 }),
      policy: oneOfWords(["redis"], "redis"),
    },
    {
      if: { properties: { policy: { enum: ["redis"] } } },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema.
      then: { properties: redisFields, required: ["redis_host"] },
      encrypt_fields: [
        "redis_password",
        "semantic.embedding.openai.api_key",
        "semantic.embedding.azure_openai.api_key",
      ],
    },
  ),
  checkConf({ layers, semantic: conf }) {
    const names = layers as readonly string[];
    if (!names.includes("exact")) return 'layers must include "exact"';
    return names.includes("semantic") && conf === undefined
      ? 'property "semantic" is required for the semantic layer'
      : null;
  },
};

/** The plugins of this family. */
export const aiGuards: readonly PluginFacts[] = [
  promptGuard,
  promptTemplate,
  promptDecorator,
  rag,
  awsModeration,
  cache,
  aliyunModeration,
  lakeraGuard,
];

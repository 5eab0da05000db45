import type { PluginFacts } from "../../plugin/plugin.ts";
import { healthChecksSchema } from "../../schema/health-check.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import {
  atLeast,
  fields,
  flag,
  keepalive,
  list,
  maxBodySize,
  object,
  oneOfWords,
  string,
  text,
  word,
} from "./fields.ts";

/** Plugins that hand requests to language models. */

const providers =
  "openai deepseek aimlapi anthropic openai-compatible azure-openai openrouter gemini vertex-ai bedrock".split(" ");

const named: JsonSchema = { type: "object", patternProperties: { "^[a-zA-Z0-9._-]+$": string } };

const auth: JsonSchema = fields({
  header: named,
  query: named,
  gcp: fields({ service_account_json: string, max_ttl: atLeast(1), expire_early_secs: atLeast(0, 60) }),
  aws: fields(
    { access_key_id: word, secret_access_key: word, session_token: word },
    { required: ["access_key_id", "secret_access_key"] },
  ),
});

const model: JsonSchema = fields({ model: string }, { additionalProperties: true });
const override: JsonSchema = fields({ endpoint: string, llm_options: object, request_body: object });
const providerConf: JsonSchema = fields({ project_id: word, region: word });
const logging: JsonSchema = fields({ summaries: flag(false), payloads: flag(false) });

const connection: JsonSchema = {
  timeout: atLeast(1, 30000),
  ...keepalive(30),
  ssl_verify: flag(true),
  max_req_body_size: maxBodySize,
  max_response_bytes: atLeast(1),
  max_stream_duration_ms: atLeast(1),
  streaming_flush_interval_ms: atLeast(0),
};

const authSecrets = ["auth.header", "auth.query", "auth.gcp.service_account_json", "auth.aws.secret_access_key"];

const aiProxy: PluginFacts = {
  name: "ai-proxy",
  priority: 1040,
  version: "0.1",
  schema: fields(
    {
      provider: oneOfWords(providers),
      provider_conf: providerConf,
      logging,
      auth,
      options: model,
      override,
      ...connection,
    },
    { required: ["provider", "auth"], encrypt_fields: authSecrets },
  ),
};

const fallbacks = ["instance_health_and_rate_limiting", "http_429", "http_5xx"];

const aiProxyMulti: PluginFacts = {
  name: "ai-proxy-multi",
  priority: 1041,
  version: "0.1",
  schema: fields(
    {
      balancer: fields(
        {
          algorithm: oneOfWords(["chash", "roundrobin", "semantic"], "roundrobin"),
          hash_on: oneOfWords(["vars", "headers", "header", "cookie", "consumer", "vars_combinations"], "vars"),
          key: string,
        },
        { default: { algorithm: "roundrobin" } },
      ),
      instances: list(
        fields(
          {
            name: text({ minLength: 1, maxLength: 100 }),
            provider: oneOfWords(providers),
            provider_conf: providerConf,
            priority: { type: "integer", default: 0 },
            weight: atLeast(0),
            auth,
            options: model,
            override,
            checks: healthChecksSchema,
          },
          { required: ["name", "provider", "auth", "weight"] },
        ),
        { minItems: 1 },
      ),
      logging,
      fallback_strategy: {
        anyOf: [oneOfWords(fallbacks), list(oneOfWords(["rate_limiting", "http_429", "http_5xx"]))],
        default: "instance_health_and_rate_limiting",
      },
      fallback_http_statuses: list({ type: "integer", minimum: 400, maximum: 599 }, { minItems: 1 }),
      max_retries: atLeast(0),
      retry_on_failure_within_ms: atLeast(1),
      semantic_opts: object,
      ...connection,
    },
    { required: ["instances"], encrypt_fields: authSecrets.map((path) => `instances.${path}`) },
  ),
};

const aiRequestRewrite: PluginFacts = {
  name: "ai-request-rewrite",
  priority: 1073,
  version: "0.1",
  schema: fields(
    {
      prompt: string,
      provider: oneOfWords(providers),
      provider_conf: providerConf,
      auth,
      options: model,
      override,
      timeout: { type: "integer", minimum: 1, maximum: 60000, default: 30000 },
      ...keepalive(30),
      ssl_verify: flag(true),
      max_req_body_size: maxBodySize,
    },
    { required: ["prompt", "provider", "auth"], encrypt_fields: authSecrets },
  ),
};

/** The plugins of this family. */
export const aiProxies: readonly PluginFacts[] = [aiRequestRewrite, aiProxyMulti, aiProxy];

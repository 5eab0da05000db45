import type { PluginFacts } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, fields, flag, keepalive, list, maxBodySize, string, text } from "./fields.ts";

/** Plugins that run functions, here or elsewhere, and some that are programs of their own. */

const extPlugin = (name: string, priority: number): PluginFacts => ({
  name,
  priority,
  version: "0.1",
  schema: fields({
    conf: list(
      fields(
        {
          name: { ...text({ minLength: 1, maxLength: 128 }), description: "Name of the plugin in the runner." },
          value: { ...string, description: "Its configuration." },
        },
        { required: ["name", "value"] },
      ),
      { minItems: 1 },
    ),
    allow_degradation: flag(false),
  }),
});

/** A function that is called over HTTP; times in milliseconds. */
const remote = (authorization: JsonSchema): JsonSchema => ({
  function_uri: string,
  authorization,
  timeout: atLeast(100, 3000),
  ssl_verify: flag(true),
  ...keepalive(5),
  max_req_body_size: maxBodySize,
});

const awsLambda: PluginFacts = {
  name: "aws-lambda",
  priority: -1899,
  version: "0.1",
  schema: fields(
    remote(
      fields({
        apikey: string,
        iam: fields(
          {
            accesskey: { ...string, description: "Access key." },
            secretkey: { ...string, description: "Secret key." },
            aws_region: text({ default: "us-east-1" }),
            service: text({ default: "execute-api" }),
          },
          { required: ["accesskey", "secretkey"] },
        ),
      }),
    ),
    { required: ["function_uri"], encrypt_fields: ["authorization.apikey", "authorization.iam.secretkey"] },
  ),
};

const azureFunctions: PluginFacts = {
  name: "azure-functions",
  priority: -1900,
  version: "0.1",
  schema: fields(remote(fields({ apikey: string, clientid: string })), {
    required: ["function_uri"],
    encrypt_fields: ["authorization.apikey"],
  }),
  metadataSchema: fields(
    { master_apikey: text({ default: "" }), master_clientid: text({ default: "" }) },
    { encrypt_fields: ["master_apikey"] },
  ),
};

const openwhiskName = "^(\\w|\\w[\\w@ .-]*[\\w@.-]+)$";

const openwhisk: PluginFacts = {
  name: "openwhisk",
  priority: -1901,
  version: "0.1",
  schema: fields(
    {
      api_host: string,
      ssl_verify: flag(true),
      service_token: string,
      namespace: text({ maxLength: 256, pattern: openwhiskName }),
      package: text({ maxLength: 256, pattern: openwhiskName }),
      action: text({ maxLength: 256, pattern: openwhiskName }),
      result: flag(true),
      timeout: { type: "integer", minimum: 1, maximum: 60000, default: 60000 },
      ...keepalive(5),
    },
    { required: ["api_host", "service_token", "namespace", "action"], encrypt_fields: ["service_token"] },
  ),
};

const openfunction: PluginFacts = {
  name: "openfunction",
  priority: -1902,
  version: "0.1",
  schema: fields(remote(fields({ service_token: string })), {
    required: ["function_uri"],
    encrypt_fields: ["authorization.service_token"],
  }),
};

const ai: PluginFacts = { name: "ai", priority: 22900, version: "0.1", schema: fields({}) };

const examplePlugin: PluginFacts = {
  name: "example-plugin",
  priority: 0,
  version: "0.1",
  schema: fields(
    {
      i: { type: "number", minimum: 0 },
      s: string,
      t: { type: "array", minItems: 1 },
      ip: string,
      port: { type: "integer" },
    },
    { required: ["i"] },
  ),
  metadataSchema: fields({ ikey: { type: "number", minimum: 0 }, skey: string }, { required: ["ikey", "skey"] }),
};

/** The plugins of this family. */
export const functions: readonly PluginFacts[] = [
  ai,
  extPlugin("ext-plugin-pre-req", 12000),
  examplePlugin,
  awsLambda,
  azureFunctions,
  openwhisk,
  openfunction,
  extPlugin("ext-plugin-post-req", -3000),
  extPlugin("ext-plugin-post-resp", -4000),
];

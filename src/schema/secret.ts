import type { JsonSchema } from "./json-schema.ts";
import { timesSchema, type Times } from "./metadata.ts";

/** Secret managers; the first part of a secret's id, as in `vault/1`. */
export const secretManagers = ["vault", "aws", "gcp"] as const;

/** A secret manager. */
export type SecretManager = (typeof secretManagers)[number];

/** The resource `secrets/<manager>/<id>`; which fields it has depends on the manager. */
export type SecretResource = VaultSecret | AwsSecret | GcpSecret;

/** HashiCorp Vault, key/value engine. */
export interface VaultSecret extends Times {
  readonly id: string;
  readonly uri: string;
  readonly prefix: string;
  readonly token: string;
  readonly namespace?: string;
}

/** AWS Secrets Manager. */
export interface AwsSecret extends Times {
  readonly id: string;
  readonly access_key_id: string;
  readonly secret_access_key: string;
  readonly session_token?: string;
  readonly region: string;
  readonly endpoint_url?: string;
}

/** Google Cloud Secret Manager; has one of `auth_config` and `auth_file`. */
export interface GcpSecret extends Times {
  readonly id: string;
  readonly auth_config?: GcpCredentials;
  readonly auth_file?: string;
  readonly ssl_verify: boolean;
}

/** A service account. */
export interface GcpCredentials {
  readonly client_email: string;
  readonly private_key: string;
  readonly project_id: string;
  readonly token_uri: string;
  readonly scope: readonly string[];
  readonly entries_uri: string;
}

const uri = {
  type: "string",
  pattern: "^[^\\/]+:\\/\\/([\\da-zA-Z.-]+|\\[[\\da-fA-F:]+\\])(:\\d+)?",
} as const satisfies JsonSchema;

/** The whole id, manager included. */
const id = { type: "string", minLength: 1 } as const satisfies JsonSchema;

/** Schemas by manager; unknown fields pass, as in APISIX. */
export const secretSchemas = {
  vault: {
    type: "object",
    properties: {
      ...timesSchema,
      id,
      uri,
      prefix: { type: "string" },
      token: { type: "string" },
      namespace: { type: "string" },
    } satisfies Record<keyof VaultSecret, JsonSchema>,
    required: ["uri", "prefix", "token"],
  },
  aws: {
    type: "object",
    properties: {
      ...timesSchema,
      id,
      access_key_id: { type: "string" },
      secret_access_key: { type: "string" },
      session_token: { type: "string" },
      region: { type: "string", default: "us-east-1" },
      endpoint_url: uri,
    } satisfies Record<keyof AwsSecret, JsonSchema>,
    required: ["access_key_id", "secret_access_key"],
  },
  gcp: {
    type: "object",
    properties: {
      ...timesSchema,
      id,
      auth_config: {
        type: "object",
        properties: {
          client_email: { type: "string" },
          private_key: { type: "string" },
          project_id: { type: "string" },
          token_uri: { type: "string", default: "https://oauth2.googleapis.com/token" },
          scope: {
            type: "array",
            items: { type: "string" },
            default: ["https://www.googleapis.com/auth/cloud-platform"],
          },
          entries_uri: { type: "string", default: "https://secretmanager.googleapis.com/v1" },
        } satisfies Record<keyof GcpCredentials, JsonSchema>,
        required: ["client_email", "private_key", "project_id"],
      },
      auth_file: { type: "string" },
      ssl_verify: { type: "boolean", default: true },
    } satisfies Record<keyof GcpSecret, JsonSchema>,
    oneOf: [{ required: ["auth_config"] }, { required: ["auth_file"] }],
  },
} as const satisfies Record<SecretManager, JsonSchema>;

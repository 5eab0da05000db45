import type { JsonSchema } from "./json-schema.ts";
import { descSchema, idSchema, labelsSchema, nameSchema, timesSchema, type Labels, type Times } from "./metadata.ts";
import { pluginsSchema, type Plugins } from "./plugins.ts";

/**
 * The resource `credentials/<username>/credentials/<id>`; `id` is the last part
 * alone, the consumer stands in the key only.
 */
export interface CredentialResource extends Times {
  readonly id: string;
  readonly name?: string;
  readonly desc?: string;
  readonly labels?: Labels;
  /** At most one, of type auth. */
  readonly plugins?: Plugins;
}

/** Schema of credentials. */
export const credentialSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    id: {
      oneOf: [
        idSchema,
        { type: "string", minLength: 15, maxLength: 128, pattern: "^[a-zA-Z0-9-_]+/credentials/[a-zA-Z0-9-_.]+$" },
      ],
    },
    name: nameSchema,
    desc: descSchema,
    labels: labelsSchema,
    plugins: { ...pluginsSchema, maxProperties: 1 },
  } satisfies Record<keyof CredentialResource, JsonSchema>,
  additionalProperties: false,
} as const satisfies JsonSchema;

/** The two parts of a credential's key; `null` where the text is no such key. */
export function parseCredentialKey(key: string): { readonly username: string; readonly id: string } | null {
  const match = /^([^/]+)\/credentials\/([^/]+)$/.exec(key);
  return match === null ? null : { username: match[1] ?? "", id: match[2] ?? "" };
}

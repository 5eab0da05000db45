import type { JsonSchema } from "./json-schema.ts";
import { descSchema, idSchema, labelsSchema, timesSchema, type Labels, type Times } from "./metadata.ts";
import { pluginsSchema, type Plugins } from "./plugins.ts";

/** The resource `consumers/<username>`, defaults filled in; `id` is the username. */
export interface ConsumerResource extends Times {
  readonly id: string;
  readonly username: string;
  readonly desc?: string;
  readonly labels?: Labels;
  readonly group_id?: string;
  readonly plugins?: Plugins;
}

/** Schema of `consumers`. */
export const consumerSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    // Set by the gateway; the username decides.
    id: idSchema,
    username: { type: "string", minLength: 1, maxLength: 256, pattern: "^[a-zA-Z0-9_\\-]+$" },
    desc: descSchema,
    labels: labelsSchema,
    group_id: idSchema,
    plugins: pluginsSchema,
  } satisfies Record<keyof ConsumerResource, JsonSchema>,
  required: ["username"],
  additionalProperties: false,
} as const satisfies JsonSchema;

import type { JsonSchema } from "./json-schema.ts";
import { idSchema, timesSchema, type Times } from "./metadata.ts";
import { pluginsSchema, type Plugins } from "./plugins.ts";

/** The resource `global_rules/<id>`: plugins that run for every request. */
export interface GlobalRule extends Times {
  readonly id: string;
  readonly plugins: Plugins;
}

/** Schema of `global_rules`. */
export const globalRuleSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    id: idSchema,
    plugins: pluginsSchema,
  } satisfies Record<keyof GlobalRule, JsonSchema>,
  required: ["id", "plugins"],
  additionalProperties: false,
} as const satisfies JsonSchema;

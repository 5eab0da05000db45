import type { JsonSchema } from "./json-schema.ts";
import { descSchema, idSchema, labelsSchema, timesSchema, type Labels, type Times } from "./metadata.ts";
import { pluginsSchema, type Plugins } from "./plugins.ts";

/** The resource `plugin_configs/<id>`. */
export interface PluginConfig extends Times {
  readonly id: string;
  readonly name?: string;
  readonly desc?: string;
  readonly labels?: Labels;
  readonly plugins: Plugins;
}

/** Schema of `plugin_configs`. */
export const pluginConfigSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    id: idSchema,
    name: { type: "string" },
    desc: descSchema,
    labels: labelsSchema,
    plugins: pluginsSchema,
  } satisfies Record<keyof PluginConfig, JsonSchema>,
  required: ["id", "plugins"],
  additionalProperties: false,
} as const satisfies JsonSchema;

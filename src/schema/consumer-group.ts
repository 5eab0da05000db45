import type { JsonSchema } from "./json-schema.ts";
import { descSchema, idSchema, labelsSchema, nameSchema, timesSchema, type Labels, type Times } from "./metadata.ts";
import { pluginsSchema, type Plugins } from "./plugins.ts";

/** The resource `consumer_groups/<id>`. */
export interface ConsumerGroup extends Times {
  readonly id: string;
  readonly name?: string;
  readonly desc?: string;
  readonly labels?: Labels;
  readonly plugins: Plugins;
}

/** Schema of `consumer_groups`. */
export const consumerGroupSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    id: idSchema,
    name: nameSchema,
    desc: descSchema,
    labels: labelsSchema,
    plugins: pluginsSchema,
  } satisfies Record<keyof ConsumerGroup, JsonSchema>,
  required: ["id", "plugins"],
  additionalProperties: false,
} as const satisfies JsonSchema;

import { hostSchema } from "./address.ts";
import type { JsonSchema } from "./json-schema.ts";
import { descSchema, idSchema, labelsSchema, nameSchema, timesSchema, type Labels, type Times } from "./metadata.ts";
import { pluginsSchema, type Plugins } from "./plugins.ts";
import { upstreamSchema, type InlineUpstream } from "./upstream.ts";

/** The resource `services/<id>`, defaults filled in, ids as strings. */
export interface Service extends Times {
  readonly id: string;
  readonly name?: string;
  readonly desc?: string;
  readonly labels?: Labels;
  /** Count for routes that name no host themselves. */
  readonly hosts?: readonly string[];
  readonly plugins?: Plugins;
  readonly upstream?: InlineUpstream;
  readonly upstream_id?: string;
  readonly script?: string;
  readonly enable_websocket?: boolean;
}

/** Schema of `services`. */
export const serviceSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    id: idSchema,
    name: nameSchema,
    desc: descSchema,
    labels: labelsSchema,
    hosts: { type: "array", items: hostSchema, minItems: 1, uniqueItems: true },
    plugins: pluginsSchema,
    upstream: upstreamSchema,
    upstream_id: idSchema,
    script: { type: "string", minLength: 10, maxLength: 102400 },
    enable_websocket: { description: "enable websocket for request", type: "boolean" },
  } satisfies Record<keyof Service, JsonSchema>,
  additionalProperties: false,
} as const satisfies JsonSchema;

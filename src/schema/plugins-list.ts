import type { JsonSchema } from "./json-schema.ts";

/** An entry of the resource `plugins/plugins`, the list of enabled plugins. */
export interface PluginsListEntry {
  readonly name: string;
  /** Belongs to TCP and UDP proxying. */
  readonly stream?: boolean;
}

/** The resource `plugins/plugins`. */
export type PluginsList = readonly PluginsListEntry[];

/** Schema of `plugins`. */
export const pluginsListSchema = {
  type: "array",
  items: {
    type: "object",
    properties: {
      name: { type: "string", minLength: 1 },
      stream: { type: "boolean" },
    } satisfies Record<keyof PluginsListEntry, JsonSchema>,
    required: ["name"],
    additionalProperties: false,
  },
} as const satisfies JsonSchema;

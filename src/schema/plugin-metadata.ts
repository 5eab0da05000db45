import type { JsonSchema } from "./json-schema.ts";

/** The resource `plugin_metadata/<plugin>`; its fields are those of the plugin's `metadataSchema`. */
export interface PluginMetadata {
  /** The plugin's name. */
  readonly id: string;
  readonly [field: string]: unknown;
}

/** What all plugin metadata have in common. */
export const pluginMetadataSchema = {
  type: "object",
  properties: { id: { type: "string", minLength: 1 } },
  required: ["id"],
} as const satisfies JsonSchema;

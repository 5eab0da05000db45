import type { JsonSchema } from "./json-schema.ts";

/**
 * `plugins` of a resource: name to configuration. What a configuration may hold is
 * the matter of the plugin's own schema; the defaults of that one are filled in
 * too, except where `_meta.disable` is true.
 */
export type Plugins = Readonly<Record<string, PluginConf>>;

/** A plugin's configuration on a resource. */
export interface PluginConf {
  readonly _meta?: PluginMeta;
  readonly [field: string]: unknown;
}

/** What any plugin's configuration may say beside its own fields. */
export interface PluginMeta {
  /** The plugin is left out; the rest of its configuration is not even checked. */
  readonly disable?: boolean;
  /** Replaces the body of the plugin's own error answers. */
  readonly error_response?: string | Readonly<Record<string, unknown>>;
  /** Replaces the plugin's priority within its phase. */
  readonly priority?: number;
  /** An expression that decides per request whether the plugin runs. */
  readonly filter?: readonly unknown[];
  readonly pre_function?: string;
}

/** `plugins` in a resource's schema. */
export const pluginsSchema = { type: "object" } as const satisfies JsonSchema;

/** `_meta` in every plugin's configuration. */
export const pluginMetaSchema = {
  type: "object",
  properties: {
    disable: { type: "boolean" },
    error_response: { oneOf: [{ type: "string" }, { type: "object" }] },
    priority: { description: "priority of plugins by customized order", type: "integer" },
    filter: { description: "filter determines whether the plugin needs to be executed at runtime", type: "array" },
    pre_function: {
      description:
        "function to be executed in each phase before execution of plugins. " +
        "The pre_function will have access to two arguments: `conf` and `ctx`.",
      type: "string",
    },
  } satisfies Record<keyof PluginMeta, JsonSchema>,
  additionalProperties: false,
} as const satisfies JsonSchema;

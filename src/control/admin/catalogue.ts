import type { Subsystem } from "../../plugin/plugin.ts";
import type { Kind } from "../../schema/kinds.ts";
import type { ResourceRules } from "./deps.ts";

/** Schemas of resources and plugins as the Admin API shows them. */
export interface AdminCatalogue extends ResourceRules {
  /** What the JSON Schema alone says against a resource, in APISIX's words; `null`: nothing. Changes `value`. */
  validateSchema(kind: Kind, value: unknown): string | null;
  /** Names of the enabled plugins, the highest priority first. */
  pluginNames(subsystem: Subsystem): readonly string[];
  /** Name to priority, version, type and schemas of every enabled plugin. */
  pluginAttributes(subsystem: Subsystem): object;
  /** The schema of an enabled plugin; `null`: there is no such plugin. */
  pluginSchema(name: string, subsystem: Subsystem, schemaType: string | null): object | null;
  /** A schema by the name that APISIX has for it (`route`, `id_schema`); `null`: there is none. */
  namedSchema(name: string): object | null;
}

/**
 * What plugins of users import as `turnpike/plugin`. What stands here keeps its meaning;
 * everything else in the sources may change with any version.
 */
export { definePlugin, reply } from "./plugin.ts";
export type { ConsumerLookup, PluginDefinition, PluginEnv, PluginHandlers, Reply } from "./plugin.ts";
export type {
  Attempt,
  Consumer,
  RequestContext,
  ResponseHead,
  RouteInfo,
  UpstreamChoice,
  UpstreamRequest,
} from "./context.ts";
export type { Counters } from "./counters.ts";
export type { JsonSchema } from "../schema/json-schema.ts";
export { compileTemplate, compileVariable } from "./variables.ts";
export { compileHeaderEdits } from "./header-edits.ts";
export { cleanHeaderValue } from "./header-text.ts";
export { compileSafeRegex } from "./safe-regex.ts";

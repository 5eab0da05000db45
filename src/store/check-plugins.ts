import { encryptFieldsOf, schemaIn } from "../plugin/plugin.ts";
import type { ConfCheck, ConfPlace, ConfRule, KnownPlugin, PluginRegistry } from "../plugin/plugin.ts";
import { expressionFault } from "../schema/expression-syntax.ts";
import type { JsonSchema } from "../schema/json-schema.ts";
import type { Kind } from "../schema/kinds.ts";
import { pluginMetaSchema, type PluginConf } from "../schema/plugins.ts";
import { validatorOf } from "../schema/validate.ts";
import { withHint, type SchemaFault } from "../schema/schema-fault.ts";
import { maskSecrets } from "./mask.ts";

/** Something wrong with a resource. */
export interface Fault {
  /** Keys and 0-based indexes from the resource's root. */
  readonly path: readonly (string | number)[];
  /** The whole reason, in APISIX's words where it has any. */
  readonly message: string;
  /** The reason for a reader who sees the path. */
  readonly detail: string;
  /** The reason in APISIX's words alone, as clients of its Admin API compare them: its `error_msg`. */
  readonly answer: string;
}

/** A schema's fault as one of the resource. */
export function toFault(fault: SchemaFault): Fault {
  const detail = withHint({ ...fault, message: fault.detail });
  return { path: fault.path, message: withHint(fault), detail, answer: fault.message };
}

/** A fault that is said in the same words whether the path is seen or not. */
export const plainFault = (path: Fault["path"], message: string): Fault => ({
  path,
  message,
  detail: message,
  answer: message,
});

/** What plugins are checked with. */
export interface PluginCheck {
  readonly kind: Kind;
  /** The enabled ones. */
  readonly registry: PluginRegistry;
  /** `plugin_attr` of config.yaml. */
  readonly pluginAttr?: Readonly<Record<string, unknown>>;
  /** `plugin_metadata` as it is; absent where it cannot be looked up. */
  readonly metadata?: ConfCheck["metadata"];
  /** Every fault instead of the first. */
  readonly all: boolean;
}

type Configurations = Record<string, PluginConf>;

/**
 * Checks each plugin of a resource as APISIX does and fills its defaults in. Whether
 * this version can run them is another question: `checkServable`.
 */
export function checkPlugins(plugins: Configurations, check: PluginCheck): readonly Fault[] {
  const faults: Fault[] = [];
  for (const [name, conf] of Object.entries(plugins)) {
    if (faults.length > 0 && !check.all) break;
    const plugin = knownPlugin(name, check);
    if (plugin === undefined) {
      faults.push(plainFault(["plugins", name], `${prefix(check.kind)}unknown plugin [${name}]`));
    } else if (check.kind === "credentials" && plugin.type !== "auth") {
      const message = "only supports auth type plugins in consumer credential";
      faults.push(plainFault(["plugins", name], message));
    } else {
      // Lua's empty table.
      if (Array.isArray(conf) && conf.length === 0) plugins[name] = {};
      faults.push(...checkPlugin(plugins[name] ?? conf, plugin, check));
    }
  }
  return faults;
}

/** The plugin of that name where the kind may have it. */
export function knownPlugin(name: string, { kind, registry }: PluginCheck): KnownPlugin | undefined {
  const plugin = registry.get(name);
  const subsystem = kind === "stream_routes" ? "stream" : "http";
  return (plugin?.subsystems ?? ["http"]).includes(subsystem) ? plugin : undefined;
}

function checkPlugin(conf: PluginConf, plugin: KnownPlugin, check: PluginCheck): readonly Fault[] {
  const way = ["plugins", plugin.name];
  const mask = (text: string): string => maskSecrets(text, conf, encryptFieldsOf(plugin, placeOf(check.kind)));
  const before = `${prefix(check.kind)}${failure(plugin.name, check.kind)}`;
  const faults = checkConf(conf, plugin, check).map((fault): Fault => {
    const { path, message, detail } = toFault(fault);
    return {
      path: [...way, ...path],
      message: mask(before + message),
      detail: mask(detail),
      answer: before + fault.message,
    };
  });
  if (faults.length > 0 || conf._meta?.filter === undefined || conf._meta.disable === true) return faults;
  const reason = expressionFault(conf._meta.filter);
  if (reason === null) return [];
  return [plainFault([...way, "_meta", "filter"], `failed to validate the 'vars' expression: ${reason}`)];
}

function checkConf(conf: PluginConf, plugin: KnownPlugin, check: PluginCheck): readonly SchemaFault[] {
  if (typeof conf !== "object" || conf === null || Array.isArray(conf)) return validatorOf(OBJECT).checkAll(conf);
  const fields = conf as { _meta?: PluginConf["_meta"] };
  const held = { _meta: conf._meta };
  const wrong = held._meta === undefined ? [] : validatorOf(META).checkAll(held);
  if (wrong.length > 0) return check.all ? wrong : wrong.slice(0, 1);
  const { _meta: meta } = held;
  // Lua's empty table, again: the check has put an object in the place of a list.
  if (meta !== undefined) fields._meta = meta;
  if (meta?.disable === true) return [];
  const place = placeOf(check.kind);
  const early = place === "conf" ? applyRule(plugin.checkFirst, conf, check) : [];
  if (early.length > 0) return early;
  // The schema may forbid what it does not list; `_meta` belongs to all plugins.
  if (meta !== undefined) delete fields._meta;
  const validator = validatorOf(schemaIn(plugin, place) ?? OBJECT);
  const first = check.all ? null : validator.check(conf);
  const faults = check.all ? validator.checkAll(conf) : first === null ? [] : [first];
  if (meta !== undefined) fields._meta = meta;
  return faults.length > 0 ? faults : applyRule(ruleIn(plugin, place), conf, check);
}

/** The rule that a configuration must keep beyond its schema. A consumer without a schema of its own has the ordinary rule. */
function ruleIn(plugin: KnownPlugin, place: ConfPlace): ConfRule | undefined {
  return place === "consumer" && plugin.consumerSchema !== undefined ? plugin.checkConsumer : plugin.checkConf;
}

function applyRule(rule: ConfRule | undefined, conf: PluginConf, check: PluginCheck): readonly SchemaFault[] {
  const { registry, metadata, pluginAttr } = check;
  const attr = (name: string): Readonly<Record<string, unknown>> => (pluginAttr?.[name] ?? {}) as never;
  const plugin = (name: string): KnownPlugin | undefined => registry.get(name);
  const schemaFault = (schema: JsonSchema, value: unknown): string | null =>
    validatorOf(schema).check(value)?.message ?? null;
  const reason = rule?.(conf, { plugin, schemaFault, attr, ...(metadata === undefined ? {} : { metadata }) }) ?? null;
  return reason === null ? [] : [{ path: [], message: reason, detail: reason, hint: "" }];
}

const OBJECT = { type: "object" } as const satisfies JsonSchema;
const META = { type: "object", properties: { _meta: pluginMetaSchema } } as const satisfies JsonSchema;

const isConsumers = (kind: Kind): boolean => kind === "consumers" || kind === "credentials";

const placeOf = (kind: Kind): ConfPlace => (isConsumers(kind) ? "consumer" : "conf");

const prefix = (kind: Kind): string => (isConsumers(kind) ? "invalid plugins configuration: " : "");

/** How APISIX begins what is wrong with a plugin's configuration. */
export function failure(name: string, kind: Kind): string {
  if (kind === "stream_routes") return `failed to check the configuration of stream plugin [${name}]: `;
  return `failed to check the configuration of plugin ${name} err: `;
}

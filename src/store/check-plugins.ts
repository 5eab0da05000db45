import { reasonOf } from "../lib/errors.ts";
import type { PluginDefinition, PluginEnv, PluginRegistry } from "../plugin/plugin.ts";
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
  /** The whole reason, in APISIX's words where it has any, with what these leave open. */
  readonly message: string;
  /** The reason in APISIX's words alone, as clients of its Admin API compare them. */
  readonly words: string;
  /** The reason for a reader who sees the path. */
  readonly detail: string;
}

/** A schema's fault as one of the resource. */
export function toFault(fault: SchemaFault): Fault {
  const detail = withHint({ ...fault, message: fault.detail });
  return { path: fault.path, message: withHint(fault), words: fault.message, detail };
}

/** A fault that is said in the same words whether the path is seen or not. */
export const plainFault = (path: Fault["path"], message: string): Fault => ({
  path,
  message,
  words: message,
  detail: message,
});

/** What plugins are checked with. */
export interface PluginCheck {
  readonly kind: Kind;
  /** The enabled ones. */
  readonly registry: PluginRegistry;
  /** `plugin_attr` of config.yaml. */
  readonly attr: Readonly<Record<string, unknown>>;
  /** What to say of a plugin that is not in the registry, if there is more to it. */
  readonly explain: (name: string) => string | null;
  /** Every fault instead of the first. */
  readonly all: boolean;
}

type Configurations = Record<string, PluginConf>;

/** Checks each plugin of a resource against its schema and fills its defaults in. */
export function checkPlugins(plugins: Configurations, check: PluginCheck): readonly Fault[] {
  const faults: Fault[] = [];
  for (const [name, conf] of Object.entries(plugins)) {
    if (faults.length > 0 && !check.all) break;
    const definition = check.kind === "stream_routes" ? undefined : check.registry.get(name);
    const mask = (text: string): string => maskSecrets(text, conf, definition?.encryptFields);
    const wrap = (fault: SchemaFault): Fault => {
      const { path, message, words, detail } = toFault(fault);
      const start = `${prefix(check.kind)}failed to check the configuration of plugin ${name} err: `;
      return {
        path: ["plugins", name, ...path],
        message: mask(start + message),
        words: mask(start + words),
        detail: mask(detail),
      };
    };
    if (definition === undefined) {
      const why = check.explain(name);
      const words = `${prefix(check.kind)}unknown plugin [${name}]`;
      faults.push({ ...plainFault(["plugins", name], why === null ? words : `${words} (${why})`), words });
    } else if (check.kind === "credentials" && definition.type !== "auth") {
      const message = "only supports auth type plugins in consumer credential";
      faults.push(plainFault(["plugins", name], message));
    } else if (Array.isArray(conf) && conf.length === 0) {
      // Lua's empty table.
      plugins[name] = {};
      faults.push(...checkConf(plugins[name], definition, check).map(wrap));
    } else {
      faults.push(...checkConf(conf, definition, check).map(wrap));
    }
  }
  return faults;
}

function checkConf(conf: PluginConf, definition: PluginDefinition, check: PluginCheck): readonly SchemaFault[] {
  if (typeof conf !== "object" || conf === null || Array.isArray(conf)) return validatorOf(OBJECT).checkAll(conf);
  const { _meta: meta } = conf;
  if (meta !== undefined) {
    const faults = validatorOf(META).checkAll({ _meta: meta });
    if (faults.length > 0) return check.all ? faults : faults.slice(0, 1);
    if (meta.disable === true) return [];
  }
  const schema = (isConsumers(check.kind) && definition.consumerSchema) || definition.schema;
  // The schema may forbid what it does not list; `_meta` belongs to all plugins.
  const fields = conf as { _meta?: unknown };
  if (meta !== undefined) delete fields._meta;
  const validator = validatorOf(schema as JsonSchema);
  const first = check.all ? null : validator.check(conf);
  const faults = check.all ? validator.checkAll(conf) : first === null ? [] : [first];
  if (meta !== undefined) fields._meta = meta;
  return [...faults, ...unresolved(conf)];
}

const OBJECT = { type: "object" } as const satisfies JsonSchema;
const META = { type: "object", properties: { _meta: pluginMetaSchema } } as const satisfies JsonSchema;

const isConsumers = (kind: Kind): boolean => kind === "consumers" || kind === "credentials";

const prefix = (kind: Kind): string => (isConsumers(kind) ? "invalid plugins configuration: " : "");

/**
 * References to secrets are not resolved yet. Taking one as the value itself would
 * make a public text somebody's password.
 */
function unresolved(conf: PluginConf): readonly SchemaFault[] {
  const path = findReference(conf);
  if (path === null) return [];
  const detail = "references such as $secret:// and $env:// are not supported yet";
  return [{ path, message: `property "${path.join(".")}": ${detail}`, detail, hint: "" }];
}

function findReference(value: unknown): readonly (string | number)[] | null {
  if (typeof value === "string") return /^\$(secret|env):\/\//i.test(value) ? [] : null;
  if (typeof value !== "object" || value === null) return null;
  for (const [name, field] of Object.entries(value)) {
    const path = findReference(field);
    if (path !== null) return [name, ...path];
  }
  return null;
}

/**
 * Compiles each plugin and disposes of it at once: what cannot be compiled must not
 * reach a worker. The configurations have passed `checkPlugins`.
 */
export function compilePlugins(plugins: Configurations, check: PluginCheck): readonly Fault[] {
  const faults: Fault[] = [];
  for (const [name, conf] of Object.entries(plugins)) {
    const definition = check.registry.get(name);
    if (definition === undefined || conf._meta?.disable === true) continue;
    if (isConsumers(check.kind) && definition.type === "auth") continue;
    try {
      definition.compile(conf, dryEnv(check.attr[name])).dispose?.();
    } catch (error) {
      const detail = maskSecrets(reasonOf(error), conf, definition.encryptFields);
      const message = `failed to check the configuration of plugin ${name} err: ${detail}`;
      faults.push({ path: ["plugins", name], message, words: message, detail });
    }
  }
  return faults;
}

/** Knows no consumers; the workers say what is worth a warning, with the resource's name. */
const dry: PluginEnv = {
  consumers: { byKey: () => undefined, byName: () => undefined },
  attr: {},
  warn: () => undefined,
};

function dryEnv(attr: unknown): PluginEnv {
  return attr === undefined ? dry : { ...dry, attr: attr as PluginEnv["attr"] };
}

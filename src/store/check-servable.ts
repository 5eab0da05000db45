import { reasonOf } from "../lib/errors.ts";
import { dryBatches } from "../batch/dry-batches.ts";
import { compileSafeRegex } from "../plugin/safe-regex.ts";
import { dryCounters } from "../plugin/counters.ts";
import { dryMetrics } from "../plugin/metrics.ts";
import { encryptFieldsOf } from "../plugin/plugin.ts";
import type { PluginEnv, PluginRegistry } from "../plugin/plugin.ts";
import { certificatesFault } from "../schema/certificates.ts";
import type { Kind } from "../schema/kinds.ts";
import type { PluginConf } from "../schema/plugins.ts";
import { findSecretReference } from "../schema/secret-reference.ts";
import type { Ssl } from "../schema/ssl.ts";
import { formatPath } from "../source/document.ts";
import { failure, plainFault, type Fault } from "./check-plugins.ts";
import { maskSecrets } from "./mask.ts";

/**
 * Whether this version can serve what APISIX would take. A resource that it cannot
 * serve as a whole is refused with the reason: serving it without a field or a
 * plugin would let through what these were meant to keep out.
 */

/** What this node can do. */
export interface ServableCheck {
  readonly plugins: PluginRegistry;
  /** Those that stream routes may use; absent: the same. */
  readonly streamPlugins?: PluginRegistry;
  /** `plugin_attr` of config.yaml. */
  readonly pluginAttr?: Readonly<Record<string, unknown>>;
  /** Why this version cannot serve a resource, apart from its plugins; `null` where it can. */
  readonly checkSupport?: (kind: Kind, resource: unknown) => string | null;
}

/**
 * What keeps this node from serving a resource that has passed its checks; defaults are
 * filled in. `text` is its JSON, where the caller has it: it shows at a glance what needs
 * no looking for.
 */
export function checkServable(kind: Kind, resource: unknown, check: ServableCheck, text = "$"): readonly Fault[] {
  const { plugins } = resource as { readonly plugins?: Readonly<Record<string, PluginConf>> };
  const faults = Object.entries(plugins ?? {}).flatMap(([name, conf]) => checkPlugin(kind, name, conf, check));
  if (faults.length > 0) return faults;
  const mayRefer = proxied.has(kind) && text.includes("$");
  const reference = mayRefer ? findSecretReference(withoutTexts(resource as Fields)) : null;
  if (reference !== null) {
    const detail = "references such as $secret:// and $env:// have no meaning here";
    return [{ ...plainFault(reference, detail), message: `property "${reference.join(".")}": ${detail}` }];
  }
  if (kind === "plugin_metadata") return checkMetadata(resource as Fields, check);
  if (kind === "ssls") return checkCertificates(resource as Ssl);
  const unsupported = check.checkSupport?.(kind, resource) ?? null;
  return unsupported === null ? [] : [plainFault(pathIn(unsupported), unsupported)];
}

/** The plugins that a resource of the kind may name. */
export function registryFor(kind: Kind, { plugins, streamPlugins }: ServableCheck): PluginRegistry {
  return kind === "stream_routes" ? (streamPlugins ?? plugins) : plugins;
}

/** Kinds whose fields are taken as they are. */
const proxied = new Set<Kind>(["routes", "services", "upstreams", "stream_routes"]);
/** Plugins are looked at by themselves; in the others a reference is a text like any other. */
const PLAIN = { plugins: undefined, desc: undefined, labels: undefined, name: undefined } as const;

type Fields = Readonly<Record<string, unknown>>;

function withoutTexts(fields: Fields): Fields {
  const upstream = fields.upstream as Fields | undefined;
  return { ...fields, ...PLAIN, upstream: upstream && { ...upstream, ...PLAIN } };
}

function checkPlugin(kind: Kind, name: string, conf: PluginConf, check: ServableCheck): readonly Fault[] {
  if (conf._meta?.disable === true) return [];
  const path = ["plugins", name];
  const plugin = registryFor(kind, check).get(name);
  if (plugin?.compile === undefined || (kind === "stream_routes" && plugin.servesStreams !== true)) {
    const where = kind === "stream_routes" ? " for streams" : "";
    return [plainFault(path, `plugin ${name} is not available${where} in this version`)];
  }
  if (plugin.type === "auth" && (kind === "consumers" || kind === "credentials")) return [];
  try {
    // What cannot be compiled must not reach a worker. A copy: nothing that plugins do to it may travel.
    plugin.compile(structuredClone(conf), dryEnv(name, check)).dispose?.();
    return [];
  } catch (error) {
    const detail = maskSecrets(reasonOf(error), conf, encryptFieldsOf(plugin, "conf"));
    return [{ ...plainFault(path, detail), message: `${failure(name, kind)}${detail}` }];
  }
}

/** Why a plugin could not work with its metadata: every resource that has the plugin would answer with 500. */
function checkMetadata(metadata: Fields, { plugins }: ServableCheck): readonly Fault[] {
  try {
    plugins.get(String(metadata.id))?.checkMetadata?.(metadata);
    return [];
  } catch (error) {
    return [plainFault([], reasonOf(error))];
  }
}

/** Why a certificate cannot be shown to anybody. One that has expired can: clients decide, and it is told elsewhere. */
function checkCertificates(ssl: Ssl): readonly Fault[] {
  const fault = certificatesFault(ssl);
  if (fault !== null) return [faultAt(fault.path, fault.reason)];
  return (ssl.client?.skip_mtls_uri_regex ?? []).flatMap((pattern, index) => {
    try {
      compileSafeRegex(pattern);
      return [];
    } catch (error) {
      return [faultAt(["client", "skip_mtls_uri_regex", index], reasonOf(error))];
    }
  });
}

function faultAt(path: Fault["path"], detail: string): Fault {
  return { ...plainFault(path, detail), message: `property "${formatPath(path)}" validation failed: ${detail}` };
}

/** Knows no consumers; the workers say what is worth a warning, with the resource's name. */
function dryEnv(name: string, check: ServableCheck): PluginEnv {
  return {
    consumers: { byKey: () => undefined, byName: () => undefined },
    counters: dryCounters,
    batches: dryBatches,
    owner: "",
    prefix: "",
    metrics: dryMetrics,
    attr: (check.pluginAttr?.[name] ?? {}) as PluginEnv["attr"],
    compileOther(other, conf) {
      const plugin = check.plugins.get(other);
      if (plugin?.compile === undefined) throw new Error(`plugin ${other} is not available in this version`);
      return plugin.compile(structuredClone(conf), dryEnv(other, check));
    },
    upstreamById: () => null,
    compileUpstream(_, conf) {
      const reason = check.checkSupport?.("upstreams", conf) ?? null;
      if (reason !== null) throw new Error(reason);
      return () => ({ key: "" });
    },
    warn: () => undefined,
  };
}

/** The field that a reason such as `property "vars" is not supported` names. */
function pathIn(reason: string): readonly string[] {
  if (reason.startsWith("failed to validate the 'vars' expression")) return ["vars"];
  const [, plugin, name] =
    /^(?:property "upstream" validation failed: |plugin ([^:]+): )?property "([^"]+)"/.exec(reason) ?? [];
  if (name === undefined) return [];
  if (plugin !== undefined) return ["plugins", plugin, ...name.split(".")];
  return reason.startsWith('property "upstream"') ? ["upstream", name] : name.split(".");
}

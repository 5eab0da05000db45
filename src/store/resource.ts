import { contentHash } from "../lib/content-hash.ts";
import type { Kind } from "../schema/kinds.ts";
import { parseCredentialKey } from "../schema/credential.ts";
import type { Plugins } from "../schema/plugins.ts";
import type { PluginRegistry } from "../plugin/plugin.ts";

/** A resource that passed its own checks. Immutable. */
export interface Resource {
  /** `<kind>/<id>`. */
  readonly key: string;
  readonly kind: Kind;
  readonly id: string;
  /** Canonical JSON with defaults filled in. */
  readonly text: string;
  /** The same with references to secrets in place of what they stand for. */
  readonly shown: string;
  readonly fingerprint: bigint;
  /** `type` of certificates; `null`: a resource of another kind. */
  readonly type: string | null;
  readonly references: readonly Reference[];
  readonly claims: readonly Claim[];
}

/** Another resource that must be there. */
export interface Reference {
  /** `<kind>/<id>` of what is referred to. */
  readonly key: string;
  /** The field that refers, as in `upstream_id`. */
  readonly field: string;
  /** The `type` that it must have. */
  readonly type?: string;
}

/** Something that only one resource may have. */
export interface Claim {
  readonly key: string;
  /** The reason for the second that claims it, but for the name of the first. */
  readonly clash: string;
  /** The field that claims: keys from the resource's root. */
  readonly path: readonly string[];
}

/** Builds what the store keeps of `value`, whose canonical text is `text`; `shown` where that differs. */
export function buildResource(
  kind: Kind,
  id: string,
  value: unknown,
  text: string,
  plugins: PluginRegistry,
  shown: string = text,
): Resource {
  return {
    key: `${kind}/${id}`,
    kind,
    id,
    text,
    shown,
    fingerprint: contentHash(kind, id, text),
    type: kind === "ssls" ? (value as { readonly type: string }).type : null,
    references: referencesOf(kind, id, value),
    claims: claimsOf(kind, value, plugins),
  };
}

interface Referring {
  readonly service_id?: string;
  readonly upstream_id?: string;
  readonly plugin_config_id?: string;
  readonly group_id?: string;
  readonly upstream?: Referring;
  readonly tls?: { readonly client_cert_id?: string };
}

const NONE: readonly never[] = [];

/** What a resource refers to; `value` may also be one that failed its checks. */
export function referencesOf(kind: Kind, id: string, value: unknown): readonly Reference[] {
  switch (kind) {
    case "credentials": {
      const username = parseCredentialKey(id)?.username ?? id;
      return [{ key: `consumers/${username}`, field: "id" }];
    }
    case "routes":
    case "services":
    case "stream_routes":
    case "upstreams":
    case "consumers":
      break;
    default:
      return NONE;
  }
  const { service_id, upstream_id, plugin_config_id, group_id, upstream, tls } = value as Referring;
  const certificate = (upstream?.tls ?? tls)?.client_cert_id;
  const references: Reference[] = [];
  if (service_id !== undefined) references.push({ key: `services/${service_id}`, field: "service_id" });
  if (upstream_id !== undefined) references.push({ key: `upstreams/${upstream_id}`, field: "upstream_id" });
  if (plugin_config_id !== undefined) {
    references.push({ key: `plugin_configs/${plugin_config_id}`, field: "plugin_config_id" });
  }
  if (group_id !== undefined) references.push({ key: `consumer_groups/${group_id}`, field: "group_id" });
  if (certificate !== undefined) {
    const field = tls === undefined ? "upstream.tls.client_cert_id" : "tls.client_cert_id";
    references.push({ key: `ssls/${certificate}`, field, type: "client" });
  }
  // A list that grew has room for 17, and tens of thousands of resources keep theirs.
  return references.length === 0 ? NONE : references.slice();
}

/** A consumer is found by its key, and a plugin stands in one global rule at most (disabled ones count). */
export function claimsOf(kind: Kind, value: unknown, registry: PluginRegistry): readonly Claim[] {
  const consumer = kind === "consumers" || kind === "credentials";
  if (!consumer && kind !== "global_rules") return NONE;
  const { plugins = {} } = value as { readonly plugins?: Plugins };
  return Object.entries(plugins).flatMap(([name, conf]) => {
    const path = ["plugins", name];
    if (!consumer) return [{ key: `global_rules ${name}`, clash: `plugin '${name}' already exists in`, path }];
    const attribute = registry.get(name)?.consumerKey;
    const identity = attribute === undefined ? undefined : conf[attribute];
    if (attribute === undefined || identity === undefined || conf._meta?.disable === true) return [];
    const clash = `duplicate ${attribute} of plugin ${name} found with`;
    return [{ key: `consumers ${name} ${String(identity)}`, clash, path: [...path, attribute] }];
  });
}

/** Which reference of which resource, for reasons. */
export function describeReference(key: string, reference: Reference): string {
  return `${reference.field} of ${key} refers to ${reference.key}`;
}

/** Whether a resource is what the reference asks for. */
export function fits({ type }: Reference, target: Resource): boolean {
  return type === undefined || target.type === type;
}

/** The reason for the second that claims what `owner` has. */
export function describeClash(claim: Claim, { kind, id }: Pick<Resource, "kind" | "id">): string {
  if (kind === "global_rules") return `${claim.clash} global rule with id '${id}'`;
  const credential = parseCredentialKey(id);
  if (credential === null) return `${claim.clash} consumer: ${id}`;
  return `${claim.clash} credential: ${credential.id} of consumer: ${credential.username}`;
}

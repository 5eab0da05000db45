/**
 * The kinds of resources, named as in APISIX's etcd layout and standalone files
 * (https://apisix.apache.org/docs/apisix/admin-api/).
 */
export const kinds = [
  "routes",
  "services",
  "upstreams",
  "consumers",
  "credentials",
  "consumer_groups",
  "ssls",
  "global_rules",
  "plugin_configs",
  "plugin_metadata",
  "protos",
  "secrets",
  "stream_routes",
  "plugins",
] as const;

/** A kind of resource. */
export type Kind = (typeof kinds)[number];

/**
 * One change of one resource, as it travels from control to the workers.
 *
 * `id` is the key below the kind: `1`, a consumer's `username`,
 * `<username>/credentials/<id>` for a credential, `vault/1` for a secret manager,
 * a plugin's name for plugin metadata; `plugins` has the single id `plugins`.
 * `text` is the JSON text of the resource with its defaults filled in and its id
 * inside, or `null` where it was deleted. A worker hashes the text it applied.
 */
export interface Change {
  readonly kind: Kind;
  readonly id: string;
  readonly text: string | null;
}

/** A resource that failed its checks. `error` names the field; secrets in it are masked. */
export interface Rejection {
  /** A kind, or what the document has in place of one. */
  readonly kind: string;
  readonly id: string;
  /** What is wrong, as in `upstream.nodes`; `""`: the resource as a whole. */
  readonly field: string;
  readonly error: string;
  /** Unix milliseconds of the first load that was rejected for this reason. */
  readonly since: number;
  /** The revision of the load that was rejected. */
  readonly revision: number;
  /** Whether the last good version still serves. */
  readonly serving: "previous" | "nothing";
}

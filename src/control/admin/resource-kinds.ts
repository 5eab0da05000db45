import type { Kind } from "../../schema/kinds.ts";

/** What the Admin API does with a kind of resources. */
export interface ResourceKind {
  readonly kind: AdminKind;
  /** What its texts call one of them. */
  readonly label: string;
  /** Methods that APISIX does not have for it. */
  readonly unsupported: readonly string[];
  /** Where the id of a PUT comes from when the path has none. */
  readonly idField: "id" | "username";
  /** What is missing without one. */
  readonly missing: string;
  /** Whether `create_time` and `update_time` are kept. */
  readonly timed: boolean;
  /** Fields that `filter` of a list may name. */
  readonly references: readonly string[];
}

/** The kinds that the Admin API keeps. */
export type AdminKind = Exclude<Kind, "plugins">;

function row(kind: AdminKind, label: string, more: Partial<ResourceKind> = {}): ResourceKind {
  return {
    kind,
    label,
    unsupported: [],
    idField: "id",
    missing: `missing ${label} id`,
    timed: true,
    references: [],
    ...more,
  };
}

const upstreamAndService = ["service_id", "upstream_id"];

/** Every kind, by the first segment of its path; credentials stand below their consumer. */
export const resourceKinds: Readonly<Record<AdminKind, ResourceKind>> = {
  routes: row("routes", "route", { references: upstreamAndService }),
  services: row("services", "service"),
  upstreams: row("upstreams", "upstream"),
  consumers: row("consumers", "consumer", { unsupported: ["POST", "PATCH"], idField: "username" }),
  credentials: row("credentials", "credential", { unsupported: ["POST", "PATCH"] }),
  consumer_groups: row("consumer_groups", "consumer group", { unsupported: ["POST"] }),
  ssls: row("ssls", "ssl"),
  global_rules: row("global_rules", "global rule", { unsupported: ["POST"] }),
  plugin_configs: row("plugin_configs", "plugin config", { unsupported: ["POST"] }),
  plugin_metadata: row("plugin_metadata", "plugin_metadata", {
    unsupported: ["POST", "PATCH"],
    missing: "missing plugin name",
    timed: false,
  }),
  protos: row("protos", "proto", { unsupported: ["PATCH"] }),
  secrets: row("secrets", "secret", { unsupported: ["POST"] }),
  stream_routes: row("stream_routes", "stream route", { unsupported: ["PATCH"], references: upstreamAndService }),
};

/** The kind of that name; `null` where there is none. */
export function resourceKind(name: string): ResourceKind | null {
  return Object.hasOwn(resourceKinds, name) ? resourceKinds[name as AdminKind] : null;
}

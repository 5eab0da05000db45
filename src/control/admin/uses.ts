import type { Repository } from "../../source/repository.ts";
import { isFields } from "./merge-patch.ts";
import type { AdminKind } from "./resource-kinds.ts";
import { parseStored } from "./shown-resource.ts";

/** Where a resource may be used. */
interface Use {
  readonly kind: AdminKind;
  /** What the user is called. */
  readonly label: string;
  readonly ids: (user: Readonly<Record<string, unknown>>) => readonly unknown[];
}

const field = (kind: AdminKind, label: string, name: string): Use => ({ kind, label, ids: (user) => [user[name]] });

const singular = {
  routes: "route",
  services: "service",
  stream_routes: "stream_route",
  plugin_configs: "plugin_config",
  consumer_groups: "consumer_group",
  consumers: "consumer",
  global_rules: "global_rule",
} as const;

function inPlugins(
  prefix: string,
  ids: (plugins: Readonly<Record<string, unknown>>) => readonly unknown[],
): readonly Use[] {
  return Object.entries(singular).map(([kind, label]) => ({
    kind: kind as AdminKind,
    label: `${prefix}${label}`,
    ids: ({ plugins }) => (isFields(plugins) ? ids(plugins) : []),
  }));
}

function splitTargets({ "traffic-split": conf }: Readonly<Record<string, unknown>>): readonly unknown[] {
  const rules = isFields(conf) && Array.isArray(conf.rules) ? (conf.rules as unknown[]) : [];
  return rules
    .flatMap((rule) => (isFields(rule) && Array.isArray(rule.weighted_upstreams) ? rule.weighted_upstreams : []))
    .map((target: unknown) => (isFields(target) ? target.upstream_id : undefined));
}

const transcoded = ({ "grpc-transcode": conf }: Readonly<Record<string, unknown>>): readonly unknown[] =>
  isFields(conf) ? [conf.proto_id] : [];

const uses: Partial<Record<AdminKind, { readonly text: string; readonly by: readonly Use[] }>> = {
  upstreams: {
    text: "can not delete this upstream",
    by: [
      field("routes", "route", "upstream_id"),
      field("services", "service", "upstream_id"),
      field("stream_routes", "stream_route", "upstream_id"),
      ...inPlugins("plugin in ", splitTargets),
    ],
  },
  services: {
    text: "can not delete this service directly",
    by: [field("routes", "route", "service_id"), field("stream_routes", "stream_route", "service_id")],
  },
  plugin_configs: { text: "can not delete this plugin config", by: [field("routes", "route", "plugin_config_id")] },
  consumer_groups: { text: "can not delete this consumer group", by: [field("consumers", "consumer", "group_id")] },
  protos: { text: "can not delete this proto", by: inPlugins("", transcoded) },
};

/**
 * Why the resource may not be deleted: the first that uses it; `null`: nothing does.
 * It is looked up in the store, not in what has been loaded, so that it also knows
 * what was written just now and what this node cannot serve.
 */
export async function findUse(repository: Repository, kind: AdminKind, id: string): Promise<string | null> {
  const { text, by } = uses[kind] ?? { text: "", by: [] };
  const lists = new Map<AdminKind, readonly (readonly [key: string, user: Readonly<Record<string, unknown>>])[]>();
  for (const use of by) {
    let users = lists.get(use.kind);
    if (users === undefined) {
      const { values } = await repository.list(`${use.kind}/`);
      users = values.flatMap((stored) => {
        // Almost none has the id in it anywhere, and need not be parsed.
        const user = stored.text.includes(id) ? parseStored(stored) : null;
        return isFields(user) ? [[stored.key, user] as const] : [];
      });
      lists.set(use.kind, users);
    }
    const found = users.find(([, user]) => use.ids(user).some((used) => used !== undefined && String(used) === id));
    if (found !== undefined)
      return `${text}, ${use.label} [${found[0].slice(use.kind.length + 1)}] is still using it now`;
  }
  return null;
}

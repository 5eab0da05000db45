import type { PluginRegistry } from "../plugin/plugin.ts";
import type { Kind } from "../schema/kinds.ts";
import { checkPluginsList } from "./check-plugins-list.ts";
import { validateEntry, type ResourceCheck } from "./check-resource.ts";
import { identify } from "./identify.ts";

/** A resource of a pushed configuration that cannot be taken. */
export interface PushFault {
  readonly kind: Kind;
  /** The id as the resource has it; `""` where it has none. */
  readonly id: string | number;
  /** 0-based position in its list. */
  readonly index: number;
  /** The reason word for word as APISIX's Admin API gives it. */
  readonly error: string;
}

/**
 * Every resource of `lists` that is wrong by itself, the first fault of each, and every
 * id that is there twice. References, what only one resource may have, and what this
 * version cannot serve are not looked at: these are the store's to judge.
 * `isKnown` says of an entry that it was found good before and need not be looked at.
 */
export function checkPush(
  lists: Readonly<Record<string, readonly unknown[]>>,
  check: ResourceCheck,
  isKnown: (key: string, value: unknown) => boolean = () => false,
): readonly PushFault[] {
  const faults: PushFault[] = [];
  const plugins = checkOwnPlugins(lists["plugins"], check.plugins, faults);
  const seen = new Set<string>();
  for (const [name, list] of Object.entries(lists)) {
    if (name === "plugins") continue;
    const listKind = name as Kind;
    for (const [index, value] of list.entries()) {
      const { kind, id, error } = identify(listKind, value, index);
      const key = `${kind}/${id}`;
      const fault = (text: string): void =>
        void faults.push({ kind: listKind, id: writtenId(listKind, value), index, error: text });
      if (seen.has(key)) {
        fault(`found duplicate ${listKind === "consumers" ? "username" : "id"} ${id} in ${listKind}`);
        continue;
      }
      seen.add(key);
      if (error !== null) fault(error.startsWith("wrong type") ? `invalid configuration: ${error}` : error);
      else if (!isKnown(key, value)) {
        const invalid = validateEntry(kind, id, structuredClone(value), { ...check, plugins });
        if (invalid !== null) fault(invalid);
      }
    }
  }
  return faults;
}

/** The plugins that the configuration's own list leaves; all of them where it has none or a wrong one. */
function checkOwnPlugins(
  list: readonly unknown[] | undefined,
  registry: PluginRegistry,
  faults: PushFault[],
): PluginRegistry {
  if (list === undefined) return registry;
  const checked = checkPluginsList(structuredClone(list), registry);
  for (const { path, answer } of checked.faults) {
    const index = typeof path[0] === "number" ? path[0] : 0;
    const error = answer.startsWith("unknown plugin") ? answer : `invalid configuration: ${answer}`;
    faults.push({ kind: "plugins", id: "", index, error });
  }
  return checked.faults.length > 0 ? registry : checked.enabled;
}

function writtenId(list: Kind, value: unknown): string | number {
  const { id, username } = (value ?? {}) as { readonly id?: unknown; readonly username?: unknown };
  const written = list === "consumers" && username !== undefined ? username : id;
  return typeof written === "string" || typeof written === "number" ? written : "";
}

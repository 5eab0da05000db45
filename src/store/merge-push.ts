import { kinds, type Kind } from "../schema/kinds.ts";
import type { PushedConfiguration } from "../source/api-driven.ts";
import { identify } from "./identify.ts";
import { isKind } from "./stage.ts";

/** Names that are no kinds, beyond which no more are told. */
const MAX_UNKNOWN = 100;

/** A pushed body put together with what was pushed before. */
export interface MergedPush {
  readonly versions: Readonly<Record<string, number>>;
  readonly lists: Readonly<Record<string, readonly unknown[]>>;
  /** Kinds whose version is the present one: their content stays, whatever the body says. */
  readonly unchanged: ReadonlySet<Kind>;
  /** Names in the body that are no kinds. */
  readonly unknownKinds: readonly string[];
  /** What keeps the body from being a configuration; `kind` is what it concerns. */
  readonly faults: readonly ShapeFault[];
}

export interface ShapeFault {
  readonly kind: string;
  /** APISIX's words where it has any. */
  readonly error: string;
  /** More about it, to be added where APISIX adds it; may be empty. */
  readonly more: string;
}

/**
 * Puts a body together with the configuration `current`:
 *
 * - A kind's `<kind>_conf_version` must not be lower than the present one. Where it is the
 *   same, what is held of the kind stays; where it is not there, the next one counts.
 * - A kind that is not in the body becomes empty.
 * - A resource whose `modifiedIndex` is that of the held one with its id stays as it is
 *   held, unless that one is not served (`isRejected`, by `<kind>/<id>`).
 */
export function mergePush(
  body: Readonly<Record<string, unknown>>,
  current: PushedConfiguration | null,
  isRejected: (key: string) => boolean,
): MergedPush {
  const versions: Record<string, number> = {};
  const lists: Record<string, readonly unknown[]> = {};
  const unchanged = new Set<Kind>();
  const faults: ShapeFault[] = [];
  for (const kind of kinds) {
    const present = current?.versions[kind] ?? 0;
    const held = current?.lists[kind] ?? [];
    const version = versionOf(body, kind, present, faults);
    if (version === present) unchanged.add(kind);
    const list = version === present ? held : listOf(body, kind, faults);
    versions[kind] = version;
    if (list.length > 0) lists[kind] = list === held ? held : keepByIndex(kind, list, held, isRejected);
  }
  const unknownKinds = Object.keys(body)
    .filter((name) => !isKind(name) && !name.startsWith("x-") && !name.endsWith("_conf_version"))
    .slice(0, MAX_UNKNOWN);
  return { versions, lists, unchanged, unknownKinds, faults };
}

function versionOf(body: Readonly<Record<string, unknown>>, kind: Kind, present: number, faults: ShapeFault[]): number {
  const field = `${kind}_conf_version`;
  const version = body[field];
  if (version === undefined) return present + 1;
  if (typeof version !== "number") {
    faults.push({ kind, error: `${field} must be a number`, more: `, got ${typeName(version)}` });
    return present + 1;
  }
  if (version < present) {
    faults.push({ kind, error: `${field} must be greater than or equal to (${present})`, more: "" });
    return present + 1;
  }
  return version;
}

function listOf(body: Readonly<Record<string, unknown>>, kind: Kind, faults: ShapeFault[]): readonly unknown[] {
  const list = body[kind];
  if (list === undefined) return [];
  if (Array.isArray(list)) return list as readonly unknown[];
  const error = `invalid configuration: property "${kind}" validation failed: wrong type: expected array, got ${typeName(list)}`;
  faults.push({ kind, error, more: "" });
  return [];
}

/** The list with those entries as they are held whose `modifiedIndex` has not moved. */
function keepByIndex(
  kind: Kind,
  list: readonly unknown[],
  held: readonly unknown[],
  isRejected: (key: string) => boolean,
): readonly unknown[] {
  const indexed = new Map<string, unknown>();
  for (const [position, value] of held.entries()) {
    if (modifiedIndexOf(value) !== undefined) indexed.set(keyOf(kind, value, position), value);
  }
  if (indexed.size === 0) return list;
  return list.map((value, position) => {
    const index = modifiedIndexOf(value);
    if (index === undefined) return value;
    const key = keyOf(kind, value, position);
    const before = indexed.get(key);
    return before !== undefined && modifiedIndexOf(before) === index && !isRejected(key) ? before : value;
  });
}

function keyOf(list: Kind, value: unknown, position: number): string {
  const { kind, id } = identify(list, value, position);
  return `${kind}/${id}`;
}

/** A resource's own `modifiedIndex`, `undefined` where it has none. */
export function modifiedIndexOf(resource: unknown): number | undefined {
  const index = (resource as { readonly modifiedIndex?: unknown } | null)?.modifiedIndex;
  return typeof index === "number" ? index : undefined;
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? "table" : typeof value;
}

import type { Kind } from "../schema/kinds.ts";
import { plainFault, type Fault } from "./check-plugins.ts";

/**
 * References to secrets, as in APISIX: `$env://NAME`, `$env://NAME/key` and
 * `$secret://<manager>/<id>/<path>/<key>`; the word before `://` in any case. A text
 * is a reference as a whole or not at all.
 *
 * They count in configurations of plugins, in plugin metadata, and in `cert`, `key`,
 * `certs` and `keys` of `ssls`; elsewhere such a text is a text.
 */
export type SecretReference =
  | {
      readonly source: "env";
      readonly name: string;
      /** A field of the JSON object in the variable. */ readonly key: string | null;
    }
  | {
      readonly source: "secret";
      /** As in `vault`. */
      readonly manager: string;
      /** Id of the resource `secrets/<id>`, as in `vault/1`. */
      readonly id: string;
      /** What follows the id, split at its slashes; no part is empty, `.` or `..`. */
      readonly path: readonly string[];
    };

/** Characters of a reference. */
const MAX_LENGTH = 1024;

const pattern = /^\$(env|secret):\/\//i;

/** Whether a text is a reference, well-formed or not. */
export const isReference = (text: string): boolean => text.startsWith("$") && pattern.test(text);

/** Takes a reference apart; the reason where it cannot be. */
export function parseReference(text: string): SecretReference | { readonly error: string } {
  const match = pattern.exec(text);
  if (match === null) return { error: "expected $env:// or $secret://" };
  if (text.length > MAX_LENGTH) return { error: `longer than ${MAX_LENGTH} characters` };
  const rest = text.slice(match[0].length);
  if (match[1]?.toLowerCase() === "env") {
    const slash = rest.indexOf("/");
    const name = slash === -1 ? rest : rest.slice(0, slash);
    if (name === "") return { error: "expected $env://<name> or $env://<name>/<key>" };
    return { source: "env", name, key: slash === -1 || slash === rest.length - 1 ? null : rest.slice(slash + 1) };
  }
  const [manager = "", id = "", ...path] = rest.split("/");
  if (manager === "" || id === "" || path.length === 0 || path.includes("")) {
    return { error: "expected $secret://<manager>/<id>/<path>/<key>" };
  }
  // A path that climbs would leave the prefix that the manager is limited to.
  if (path.includes(".") || path.includes("..")) return { error: "a path with . or .. is not allowed" };
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(rest) || !rest.isWellFormed())
    return { error: "control characters are not allowed" };
  return { source: "secret", manager: manager.toLowerCase(), id: `${manager.toLowerCase()}/${id}`, path };
}

/** Whether a resource of the kind has a place for references. */
export function mayRefer(kind: Kind, { plugins }: Readonly<Record<string, unknown>>): boolean {
  return kind === "ssls" || kind === "plugin_metadata" || (typeof plugins === "object" && plugins !== null);
}

/** Every reference of a resource, each once. Plugins that are disabled count not. */
export function collectReferences(kind: Kind, value: unknown): ReadonlySet<string> {
  const found = new Set<string>();
  mapReferences(kind, value, (reference) => {
    found.add(reference);
    return reference;
  });
  return found;
}

/** What a reference stands for, or why that is not known; the reason holds no secret. */
export type ReferenceLookup = (reference: string) => { readonly value: string } | { readonly error: string };

/** A resource whose references are replaced. */
export interface Substituted<T> {
  /** A copy, or the resource itself where it has no references. References that could not be resolved stay. */
  readonly value: T;
  /** The values that were put in; they may stand in nothing that is shown (see `maskValues`). */
  readonly secrets: ReadonlySet<string>;
  /** One for each reference that could not be resolved; names the reference. */
  readonly faults: readonly Fault[];
}

/** Replaces the references of a resource; `value` itself is not changed. */
export function substituteReferences<T>(kind: Kind, value: T, lookup: ReferenceLookup): Substituted<T> {
  const secrets = new Set<string>();
  const faults: Fault[] = [];
  const replaced = mapReferences(kind, value, (reference, path) => {
    const found = lookup(reference);
    if ("error" in found) {
      const detail = `${reference} cannot be resolved: ${found.error}`;
      faults.push({ ...plainFault(path, `property "${path.join(".")}": ${detail}`), detail });
      return reference;
    }
    secrets.add(found.value);
    return found.value;
  });
  return { value: replaced as T, secrets, faults };
}

/**
 * A resource as it may be shown: `resolved`, which was made of `written` by putting
 * secrets and defaults in, with the references of `written` in their places again.
 */
export function restoreReferences<T>(kind: Kind, resolved: T, written: unknown): T {
  let shown: unknown = resolved;
  mapReferences(kind, written, (reference, path) => {
    shown = replaceAt(shown, path, 0, reference);
    return reference;
  });
  return shown as T;
}

/** A copy of `value` with `text` at `path`; `value` itself where there is no such place. */
function replaceAt(value: unknown, path: Path, depth: number, text: string): unknown {
  const part = path[depth];
  if (part === undefined) return text;
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return value;
  const inner = replaceAt((value as Readonly<Record<string | number, unknown>>)[part], path, depth + 1, text);
  if (Array.isArray(value)) return value.with(Number(part), inner);
  return { ...value, ...Object.fromEntries([[part, inner]]) };
}

type Path = readonly (string | number)[];
type MapReference = (reference: string, path: Path) => string;

/** A copy of `value` with each reference replaced; the parts without one are shared. */
function mapReferences(kind: Kind, value: unknown, map: MapReference): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const fields = value as Readonly<Record<string, unknown>>;
  if (!mayRefer(kind, fields)) return value;
  if (kind === "ssls")
    return mapEntries(fields, [], (field, path) => (sslFields.has(String(path[0])) ? mapAll(field, path, map) : field));
  if (kind === "plugin_metadata")
    return mapEntries(fields, [], (field, path) => (path[0] === "id" ? field : mapAll(field, path, map)));
  const { plugins } = fields as { readonly plugins: object };
  const mapped = mapEntries(plugins, ["plugins"], (conf, path) => (isDisabled(conf) ? conf : mapAll(conf, path, map)));
  return mapped === plugins ? value : { ...fields, plugins: mapped };
}

const sslFields = new Set(["cert", "key", "certs", "keys"]);

const isDisabled = (conf: unknown): boolean =>
  (conf as { readonly _meta?: { readonly disable?: unknown } | null } | null)?._meta?.disable === true;

function mapAll(value: unknown, path: Path, map: MapReference): unknown {
  if (typeof value === "string") return isReference(value) ? map(value, path) : value;
  if (typeof value !== "object" || value === null) return value;
  return mapEntries(value, path, (item, inner) => mapAll(item, inner, map));
}

/** Maps each field of an object, or each item of a list. */
function mapEntries(holder: object, path: Path, map: (item: unknown, path: Path) => unknown): unknown {
  if (Array.isArray(holder)) {
    const items = holder.map((item: unknown, index) => map(item, [...path, index]));
    return items.every((item, index) => item === holder[index]) ? holder : items;
  }
  const changed: [string, unknown][] = [];
  for (const [name, item] of Object.entries(holder)) {
    const mapped = map(item, [...path, name]);
    if (mapped !== item) changed.push([name, mapped]);
  }
  return changed.length === 0 ? holder : { ...holder, ...Object.fromEntries(changed) };
}

import { canonicalJson } from "../lib/canonical-json.ts";
import type { Kind } from "../schema/kinds.ts";
import type { Finding } from "../settings/settings.ts";
import { readDocument } from "../source/document.ts";
import { parseJson } from "../source/json-text.ts";
import { keyOf, parseKey } from "../source/keyed-layout.ts";
import type { StoredValue } from "../source/repository.ts";
import type { SourceDocument } from "../source/source.ts";
import { parseYaml } from "../source/yaml-text.ts";
import { checkStandaloneText } from "./check-document.ts";
import { checkResource, type ResourceCheck } from "./check-resource.ts";
import { identify } from "./identify.ts";
import type { Resource } from "./resource.ts";
import { isKind } from "./stage.ts";
import { isTimed, parseFields, toStored, withoutTimes, type Cipher, type Fields } from "./stored-form.ts";

/** A standalone file to be put into a store by key. */
export interface ImportFile {
  /** For messages. */
  readonly name: string;
  readonly text: string;
  readonly format: "yaml" | "json";
}

export interface ImportOptions {
  /** `merge` adds and overwrites; `replace` also deletes what the file does not have. */
  readonly mode: "merge" | "replace";
  readonly check: ResourceCheck;
  readonly cipher: Cipher;
  /** Unix milliseconds. */
  readonly now: number;
}

/** A change of one key. */
export interface PlannedChange {
  readonly key: string;
  readonly what: "created" | "changed" | "deleted";
  /** As it is to be stored; `null`: to be deleted. */
  readonly text: string | null;
  /** What the key's revision must still be where others write as well; 0: it must not be there. */
  readonly ifRevision: number;
}

export interface ImportPlan {
  /** In an order in which every reference holds at every step: what others need comes first and goes last. */
  readonly changes: readonly PlannedChange[];
  readonly unchanged: number;
}

/** The order in which resources can be written one after another. */
const order: readonly Kind[] = [
  "secrets",
  "protos",
  "ssls",
  "upstreams",
  "services",
  "plugin_configs",
  "consumer_groups",
  "consumers",
  "credentials",
  "plugin_metadata",
  "global_rules",
  "routes",
  "stream_routes",
];

/**
 * What has to be written so that a store that holds `stored` has what the file says; or
 * everything that is wrong with the file. Pure but for the environment, which `${{NAME}}`
 * is taken from.
 */
export function planImport(
  file: ImportFile,
  stored: readonly StoredValue[],
  options: ImportOptions,
): ImportPlan | { readonly findings: readonly Finding[] } {
  const beside = options.mode === "merge" ? resourcesOf(stored, options) : new Map<string, Resource | null>();
  const findings = checkStandaloneText(file.name, file.text, file.format, { ...options.check, beside });
  if (findings.length > 0) return { findings };
  const { document } = readDocument(
    file.format === "yaml" ? parseYaml(file.name, file.text) : parseJson(file.name, file.text),
  );
  if (document.resources.plugins !== undefined) return { findings: [pluginsFinding(file.name)] };

  const { writes, unchanged, named } = planWrites(document, stored, options);
  const deletions = options.mode === "replace" ? planDeletions(stored, named) : [];
  return { changes: [...writes, ...deletions].toSorted((a, b) => rankOf(a) - rankOf(b)), unchanged };
}

interface Writes {
  readonly writes: readonly PlannedChange[];
  readonly unchanged: number;
  /** Every key that the document has. */
  readonly named: ReadonlySet<string>;
}

function planWrites(document: SourceDocument, stored: readonly StoredValue[], options: ImportOptions): Writes {
  const current = new Map(stored.map((value) => [value.key, value]));
  const writes: PlannedChange[] = [];
  const named = new Set<string>();
  for (const [list, items] of Object.entries(document.resources)) {
    if (!isKind(list)) continue;
    for (const [index, { value }] of items.entries()) {
      const { kind, id } = identify(list, value, index);
      const key = keyOf(kind, id);
      const before = current.get(key);
      named.add(key);
      const text = textOf(kind, toStored(kind, id, value as Fields), before, options);
      if (text === null) continue;
      const what = before === undefined ? "created" : "changed";
      writes.push({ key, what, text, ifRevision: before?.modRevision ?? 0 });
    }
  }
  return { writes, unchanged: named.size - writes.length, named };
}

/** Keys that hold no resource of ours are left alone. */
function planDeletions(stored: readonly StoredValue[], named: ReadonlySet<string>): readonly PlannedChange[] {
  return stored
    .filter(({ key }) => !named.has(key) && (parseKey(key)?.kind ?? "plugins") !== "plugins")
    .map(({ key, modRevision }) => ({ key, what: "deleted", text: null, ifRevision: modRevision }));
}

function rankOf({ key, text }: PlannedChange): number {
  const rank = order.indexOf(parseKey(key)?.kind ?? "plugins");
  return text === null ? 2 * order.length - rank : rank;
}

/** The text to be stored; `null` where the same is stored already, whenever that was written. */
function textOf(
  kind: Kind,
  value: Fields,
  before: StoredValue | undefined,
  { cipher, now }: ImportOptions,
): string | null {
  const previous = before === undefined ? null : parseFields(before.text);
  if (previous !== null) {
    const old = toStored(kind, String(value.id ?? ""), cipher.decrypt(kind, previous));
    if (canonicalJson(withoutTimes(old)) === canonicalJson(withoutTimes(value))) return null;
  }
  const seconds = Math.floor(now / 1_000);
  const times = {
    create_time: value.create_time ?? previous?.create_time ?? seconds,
    update_time: before === undefined ? (value.update_time ?? seconds) : seconds,
  };
  return JSON.stringify(cipher.encrypt(kind, isTimed(kind) ? { ...value, ...times } : value));
}

/** What the store holds, for the file to refer to; `null` for what is not good by itself. */
function resourcesOf(
  stored: readonly StoredValue[],
  { check, cipher }: ImportOptions,
): ReadonlyMap<string, Resource | null> {
  const resources = new Map<string, Resource | null>();
  for (const { key, text } of stored) {
    const name = parseKey(key);
    const fields = parseFields(text);
    if (name === null || name.kind === "plugins") continue;
    const { kind, id } = name;
    const checked =
      fields === null ? null : checkResource(kind, id, cipher.decrypt(kind, structuredClone(fields)), check);
    resources.set(`${kind}/${id}`, checked === null || "error" in checked ? null : checked);
  }
  return resources;
}

const pluginsFinding = (file: string): Finding => ({
  severity: "error",
  file,
  line: 0,
  field: "plugins",
  message: "a store has no list of plugins; enable plugins in config.yaml and leave this list out",
});

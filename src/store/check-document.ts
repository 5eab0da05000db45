import { readFileSync } from "node:fs";
import type { TextReader } from "../lib/env-references.ts";
import { reasonOf } from "../lib/errors.ts";
import type { PluginRegistry } from "../plugin/plugin.ts";
import type { Kind } from "../schema/kinds.ts";
import type { Finding } from "../settings/settings.ts";
import { formatPath, readDocument } from "../source/document.ts";
import { parseJson } from "../source/json-text.ts";
import type { SourceDocument } from "../source/source.ts";
import { hasEnd } from "../source/yaml-file.ts";
import { faultsOf, locateYaml, readPlainText, valueOf, type LocatedYaml } from "../source/yaml-text.ts";
import { checkPluginsList } from "./check-plugins-list.ts";
import { checkResource, findFaults, type ResourceCheck } from "./check-resource.ts";
import { identify } from "./identify.ts";
import { buildLocate, type Locate } from "./locate.ts";
import { describeClash, describeReference, fits, referencesOf, type Reference, type Resource } from "./resource.ts";
import { isKind, unknownKind } from "./stage.ts";

/** What a document is checked with. */
export interface DocumentCheck extends ResourceCheck {
  /**
   * What is there besides, by `<kind>/<id>`: the document may refer to it, replace it, and
   * not claim what it has. `null` for a resource that is not good.
   */
  readonly beside?: ReadonlyMap<string, Resource | null>;
}

/**
 * Everything that is wrong with a standalone file, in the order of its lines: syntax,
 * shape, every fault of every resource, its plugins, references, duplicates. An empty
 * list means that the gateway takes all of it.
 */
export function checkStandalone(
  file: string,
  format: "yaml" | "json",
  plugins: PluginRegistry,
  options: Omit<ResourceCheck, "plugins"> = {},
): Finding[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return [finding(file, 0, "", missing ? "no such file" : `cannot be read: ${reasonOf(error)}`)];
  }
  return checkStandaloneText(file, text, format, { plugins, ...options });
}

/** As `checkStandalone` for the text of the file, which is not read. */
export function checkStandaloneText(
  file: string,
  text: string,
  format: "yaml" | "json",
  check: DocumentCheck,
): Finding[] {
  const parsed = format === "yaml" ? parseYamlFile(file, text) : parseJsonFile(file, text);
  const findings = [...parsed.findings];
  if (parsed.content !== null) {
    const { value, locate } = parsed.content;
    const readText = format === "yaml" ? readPlainText : undefined;
    for (const { path, message } of findProblems(value, readText, check)) {
      findings.push(finding(file, locate(path), formatPath(path), message));
    }
  }
  return findings.sort((a, b) => a.line - b.line);
}

interface Parsed {
  readonly findings: readonly Finding[];
  /** `null` where the syntax leaves nothing to look at. */
  readonly content: { readonly value: unknown; readonly locate: Locate } | null;
}

function parseYamlFile(file: string, text: string): Parsed {
  const located = locateYaml(text);
  const faults = faultsOf(located);
  const findings = faults.map(({ line, column, message }) => finding(file, line, "", `column ${column}: ${message}`));
  if (!hasEnd(text)) {
    findings.push(finding(file, text.trimEnd().split("\n").length, "", "the line #END is missing at the end"));
  }
  // With a key twice the rest can still be judged; the last one counts.
  if (faults.some(({ code }) => code !== "DUPLICATE_KEY")) return { findings, content: null };
  try {
    return { findings, content: { value: valueOf(file, located), locate: buildLocate(located) } };
  } catch (error) {
    const [, line = "0", message = ""] = /^(?::(\d+):\d+)?: (.*)$/s.exec(reasonOf(error).slice(file.length)) ?? [];
    return { findings: [...findings, finding(file, Number(line), "", message)], content: null };
  }
}

function parseJsonFile(file: string, text: string): Parsed {
  let value: unknown;
  try {
    value = parseJson(file, text);
  } catch (error) {
    const [, line = "0", column = "0", message = ""] =
      /^:(\d+):(\d+): (.*)$/s.exec(reasonOf(error).slice(file.length)) ?? [];
    return { findings: [finding(file, Number(line), "", `column ${column}: ${message}`)], content: null };
  }
  // JSON is YAML too: the same parser tells the places.
  const located: LocatedYaml = locateYaml(text);
  const findings = faultsOf(located)
    .filter(({ code }) => code === "DUPLICATE_KEY")
    .map(({ line, column, message }) => finding(file, line, "", `column ${column}: ${message}`));
  return { findings, content: { value, locate: buildLocate(located) } };
}

/** Something wrong, and where: keys and 0-based indexes from the document's root. */
interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

function findProblems(value: unknown, readText: TextReader | undefined, check: DocumentCheck): readonly Problem[] {
  const { document, problems } = readDocument(value, readText);
  const found: Problem[] = [...problems];
  const enabled = enabledPlugins(document, check.plugins, found);
  const entries = new Map<string, KnownEntry>();
  for (const [list, items] of Object.entries(document.resources)) {
    if (!isKind(list)) found.push({ path: [list], message: unknownKind(list) });
    else if (list !== "plugins") {
      for (const [index, { value: item }] of items.entries()) {
        found.push(...findEntryProblems(list, index, item, { ...check, plugins: enabled }, entries));
      }
    }
  }
  return [...found, ...relations(entries, check.beside ?? new Map())];
}

function enabledPlugins(document: SourceDocument, registry: PluginRegistry, found: Problem[]): PluginRegistry {
  const items = document.resources.plugins;
  if (items === undefined) return registry;
  const list = checkPluginsList(structuredClone(items.map(({ value }) => value)), registry);
  found.push(...list.faults.map(({ path, detail }) => ({ path: ["plugins", ...path], message: detail })));
  return list.faults.length > 0 ? registry : list.enabled;
}

/** An entry that can be referred to. */
interface KnownEntry {
  readonly path: readonly (string | number)[];
  readonly references: readonly Reference[];
  /** `null` where it has faults. */
  readonly resource: Resource | null;
}

function findEntryProblems(
  list: Kind,
  index: number,
  value: unknown,
  check: ResourceCheck,
  entries: Map<string, KnownEntry>,
): readonly Problem[] {
  const path = [list, index];
  const { kind, id, error } = identify(list, value, index);
  if (error !== null) return [{ path, message: error }];
  const key = `${kind}/${id}`;
  const found = findFaults(kind, id, structuredClone(value), check).map((fault) => ({
    path: [...path, ...fault.path],
    message: fault.detail,
  }));
  if (entries.has(key)) {
    const field = kind === "consumers" ? "username" : "id";
    return [...found, { path: [...path, field], message: `found duplicate ${field} ${id} in ${list}` }];
  }
  const checked = found.length === 0 ? checkResource(kind, id, structuredClone(value), check) : null;
  const resource = checked === null || "error" in checked ? null : checked;
  entries.set(key, { path, references: referencesOf(kind, id, value), resource });
  return found;
}

/** References that lead nowhere, and what two resources claim. */
function relations(
  entries: ReadonlyMap<string, KnownEntry>,
  beside: ReadonlyMap<string, Resource | null>,
): readonly Problem[] {
  const found: Problem[] = [];
  const owners = new Map<string, Resource>();
  for (const [key, resource] of beside) {
    if (resource === null || entries.has(key)) continue;
    for (const claim of resource.claims) owners.set(claim.key, resource);
  }
  for (const [key, { path, references, resource }] of entries) {
    for (const reference of references) {
      const target = entries.has(reference.key) ? entries.get(reference.key)?.resource : beside.get(reference.key);
      if (target === null || (target !== undefined && fits(reference, target))) continue;
      const state = target === undefined ? "does not exist" : `is not of type ${reference.type}`;
      const message = `${describeReference(key, reference)}, which ${state}`;
      found.push({ path: [...path, ...reference.field.split(".")], message });
    }
    for (const claim of resource?.claims ?? []) {
      const owner = owners.get(claim.key);
      if (owner !== undefined) found.push({ path: [...path, ...claim.path], message: describeClash(claim, owner) });
      else if (resource !== null) owners.set(claim.key, resource);
    }
  }
  return found;
}

const finding = (file: string, line: number, field: string, message: string): Finding => ({
  severity: "error",
  file,
  line,
  field,
  message,
});

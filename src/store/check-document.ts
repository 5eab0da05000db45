import { readFileSync } from "node:fs";
import { reasonOf } from "../lib/errors.ts";
import type { PluginRegistry } from "../plugin/plugin.ts";
import type { Finding } from "../settings/settings.ts";
import { formatPath, readDocument } from "../source/document.ts";
import { parseJson } from "../source/json-text.ts";
import type { RawResource, SourceDocument } from "../source/source.ts";
import { hasEnd } from "../source/yaml-file.ts";
import { faultsOf, locateYaml, valueOf, type LocatedYaml } from "../source/yaml-text.ts";
import { checkPluginsList } from "./check-plugins-list.ts";
import { checkResource, findFaults, type ResourceCheck } from "./check-resource.ts";
import { identify } from "./identify.ts";
import { buildLocate, type Locate } from "./locate.ts";
import { resolve, type Entry } from "./resolve.ts";
import { isKind, unknownKind } from "./store.ts";

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
  const parsed = format === "yaml" ? parseYamlFile(file, text) : parseJsonFile(file, text);
  const findings = [...parsed.findings];
  if (parsed.content !== null) {
    const { value, locate } = parsed.content;
    for (const { path, message } of findProblems(value, { plugins, ...options })) {
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

function findProblems(value: unknown, check: ResourceCheck): readonly Problem[] {
  const { document, problems } = readDocument(value);
  const found: Problem[] = [...problems];
  const enabled = enabledPlugins(document, check.plugins, found);
  const entries = new Map<string, { readonly entry: Entry; readonly path: readonly (string | number)[] }>();
  for (const [list, items] of Object.entries(document.resources)) {
    if (!isKind(list)) found.push({ path: [list], message: unknownKind(list) });
    else if (list !== "plugins") {
      for (const [index, item] of items.entries()) {
        findEntryProblems(list, index, item, { ...check, plugins: enabled }, entries, found);
      }
    }
  }
  return [...found, ...relations(entries)];
}

function enabledPlugins(document: SourceDocument, registry: PluginRegistry, found: Problem[]): PluginRegistry {
  const items = document.resources.plugins;
  if (items === undefined) return registry;
  const list = checkPluginsList(structuredClone(items.map(({ value }) => value)), registry);
  found.push(...list.faults.map(({ path, detail }) => ({ path: ["plugins", ...path], message: detail })));
  return list.faults.length > 0 ? registry : list.enabled;
}

type Entries = Map<string, { readonly entry: Entry; readonly path: readonly (string | number)[] }>;

function findEntryProblems(
  list: Parameters<typeof identify>[0],
  index: number,
  { value }: RawResource,
  check: ResourceCheck,
  entries: Entries,
  found: Problem[],
): void {
  const path = [list, index];
  const { kind, id, error } = identify(list, value, index);
  const key = `${kind}/${id}`;
  if (error !== null) {
    found.push({ path, message: error });
    return;
  }
  const faults = findFaults(kind, id, structuredClone(value), check);
  found.push(...faults.map((fault) => ({ path: [...path, ...fault.path], message: fault.detail })));
  if (entries.has(key)) {
    const field = kind === "consumers" ? "username" : "id";
    found.push({ path: [...path, field], message: `found duplicate ${field} ${id} in ${list}` });
    return;
  }
  const [fault] = faults;
  const checked =
    fault === undefined ? checkResource(kind, id, structuredClone(value), check) : { error: fault.message };
  entries.set(key, { entry: { key, checked }, path });
}

/** References that do not hold, and what two resources claim; consequences of other faults are left out. */
function relations(entries: Entries): readonly Problem[] {
  const { reasons } = resolve(
    Array.from(entries.values(), ({ entry }) => entry),
    new Map(),
  );
  return Array.from(reasons).flatMap(([key, reason]) => {
    const known = entries.get(key);
    if (known === undefined || reason.consequence || "error" in known.entry.checked) return [];
    return [{ path: [...known.path, ...reason.path], message: reason.message }];
  });
}

const finding = (file: string, line: number, field: string, message: string): Finding => ({
  severity: "error",
  file,
  line,
  field,
  message,
});

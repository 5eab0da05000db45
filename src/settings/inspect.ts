import { isDeepStrictEqual } from "node:util";
import { nearestName } from "../lib/nearest-name.ts";
import { below } from "./environment.ts";
import { formatKeyPath, isMapping, type KeyPath, type Mapping } from "./key-path.ts";
import { configSchema } from "./keys/config.ts";
import type { Key } from "./keys/key.ts";
import type { Report } from "./report.ts";

/**
 * Warns of keys that do nothing: unknown ones each with what they were probably meant
 * to be, those without a meaning here in one warning, those of a later version in another.
 */
export function warnOfIdleKeys(value: Mapping, report: Report): void {
  const foreign: KeyPath[] = [];
  const planned: KeyPath[] = [];

  const walk = (node: unknown, key: Key, path: KeyPath): void => {
    if (Array.isArray(node) && key.items !== undefined) {
      for (const [index, item] of node.entries()) walk(item, key.items, [...path, index]);
    }
    if (!isMapping(node) || key.properties === undefined) return;
    for (const [name, child] of Object.entries(node)) {
      const at = [...path, name];
      const known = below(key, name);
      if (known !== undefined) {
        if (known.support === "foreign") foreign.push(at);
        if (known.support === "planned" && saysSomething(child, known)) planned.push(at);
        walk(child, known, at);
      } else if (key.additionalProperties !== true) {
        report.warning(at, `unknown key, ignored${suggestion(name, key, path)}`);
      }
    }
  };
  walk(value, configSchema, []);
  warnOnce(foreign, "has no meaning here and is ignored", "have no meaning here and are ignored", report);
  warnOnce(
    planned,
    "is not available in this version and is ignored",
    "are not available in this version and are ignored",
    report,
  );
}

function warnOnce(paths: readonly KeyPath[], one: string, many: string, report: Report): void {
  const [first, ...rest] = paths;
  if (first === undefined) return;
  if (rest.length === 0) report.warning(first, one);
  else report.warning([], `${paths.map(formatKeyPath).join(", ")} ${many}`);
}

/** Whether a planned key asks for something: not a default, and nothing that is turned off. */
function saysSomething(value: unknown, key: Key): boolean {
  if (value === false || isDeepStrictEqual(value, key.default)) return false;
  if (!isMapping(value) || key.properties === undefined) return true;
  if (value["enable"] === false) return false;
  return Object.entries(value).some(([name, child]) => {
    const known = below(key, name);
    return known !== undefined && saysSomething(child, known);
  });
}

function suggestion(name: string, parent: Key, path: KeyPath): string {
  const near = nearestName(name, Object.keys(parent.properties ?? {}));
  const elsewhere = placesOf(name).filter((place) => place.length > 0);
  if (near === null && elsewhere.length > 0 && elsewhere.length <= 3) return `; there is ${elsewhere.join(" and ")}`;
  return near === null ? "" : `; did you mean ${formatKeyPath([...path, near])}?`;
}

/** Where mappings outside of lists have a key of this name. */
function placesOf(name: string): string[] {
  const places: string[] = [];
  const walk = (key: Key, path: KeyPath): void => {
    for (const [child, known] of Object.entries(key.properties ?? {})) {
      if (child === name) places.push(formatKeyPath([...path, child]));
      walk(known, [...path, child]);
    }
  };
  walk(configSchema, []);
  return places;
}

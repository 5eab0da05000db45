import { readFileSync } from "node:fs";
import { registerHooks, type LoadHookSync, type ResolveHookSync } from "node:module";
import { extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { VERSION_MARK as MARK } from "./failure-text.ts";

/**
 * Versions of modules beside each other in one thread. Node loads a module once per URL,
 * so the URL of a plugin's file carries the version, and what it imports by path gets
 * the same one. A version that was loaded stays in memory until its thread ends: Node
 * cannot unload modules.
 */

/** The files of one version. */
export interface ModuleVersion {
  /** Texts by URL. */
  readonly texts: Map<string, string>;
  /** Whether files that are not there yet are read from the disk; otherwise they are not versioned. */
  readonly reads: boolean;
}

/** Asks for a package; the parent is where it is looked for. */
const PACKAGE = "turnpike-package:";

const extension = extname(import.meta.filename);
/** What plugins may import of the gateway: always from the one that runs. */
const own = new Map(
  [
    ["turnpike/plugin", "../../plugin/user-api"],
    ["turnpike/plugin/testing", "../user-testing"],
  ].map(([name = "", file = ""]) => [name, new URL(file + extension, import.meta.url).href]),
);

const formats = new Map([
  [".ts", "module-typescript"],
  [".mts", "module-typescript"],
  [".js", "module"],
  [".mjs", "module"],
  [".json", "json"],
]);

const versions = new Map<string, ModuleVersion>();
let hooked = false;

/** Imports a file (its URL) or a package (`turnpike-package:` and its name) as that version. */
export async function importVersion(
  specifier: string,
  name: string,
  version: ModuleVersion,
): Promise<Readonly<Record<string, unknown>>> {
  if (!hooked) registerHooks({ resolve, load });
  hooked = true;
  versions.set(name, version);
  return (await import(specifier + MARK + name)) as Readonly<Record<string, unknown>>;
}

/** What `importVersion` takes for a package that is looked for from `prefix`. */
export function packageSpecifier(name: string): string {
  return PACKAGE + name;
}

/** Where packages are looked for. */
let packagesFrom = "";

/** From now on packages are looked for from this directory. */
export function lookForPackagesFrom(prefix: string): void {
  packagesFrom = pathToFileURL(join(prefix, "package.json")).href;
}

const resolve: ResolveHookSync = (specifier, context, next) => {
  const api = own.get(specifier);
  if (api !== undefined) return { url: api, shortCircuit: true };
  const parent = split(context.parentURL ?? "");
  const asked = split(specifier);
  if (asked !== null) {
    if (!asked.url.startsWith(PACKAGE)) return versioned(asked.url, asked.name);
    const found = next(asked.url.slice(PACKAGE.length), { ...context, parentURL: packagesFrom });
    return isModule(found) ? versioned(found.url, asked.name) : found;
  }
  if (parent === null) return next(specifier, context);
  const known = URL.parse(specifier, parent.url)?.href;
  const path = /^(?:\.{0,2}\/|file:)/.test(specifier);
  if (path && known !== undefined && versions.get(parent.name)?.texts.has(known) === true) {
    return versioned(known, parent.name);
  }
  const found = next(specifier, { ...context, parentURL: parent.url });
  const reads = path && versions.get(parent.name)?.reads === true && isModule(found);
  // Under the name that it was asked for by: links are followed when it is read.
  return reads && known !== undefined ? versioned(known, parent.name) : found;
};

const load: LoadHookSync = (url, context, next) => {
  const parts = split(url);
  const version = parts === null ? undefined : versions.get(parts.name);
  if (parts === null || version === undefined) return next(url, context);
  let source = version.texts.get(parts.url);
  if (source === undefined) {
    source = readFileSync(new URL(parts.url), "utf8");
    version.texts.set(parts.url, source);
  }
  return { format: formats.get(extname(new URL(parts.url).pathname)) ?? "module", source, shortCircuit: true };
};

const versioned = (url: string, name: string): ReturnType<ResolveHookSync> => ({
  url: url + MARK + name,
  format: formats.get(extname(url)) ?? "module",
  shortCircuit: true,
});

/** Whether a file may be versioned: CommonJS and addons have a cache of their own. */
function isModule({ url, format }: ReturnType<ResolveHookSync>): boolean {
  return url.startsWith("file:") && format !== "commonjs" && formats.has(extname(new URL(url).pathname));
}

function split(url: string): { readonly url: string; readonly name: string } | null {
  const at = url.lastIndexOf(MARK);
  return at === -1 ? null : { url: url.slice(0, at), name: url.slice(at + MARK.length) };
}

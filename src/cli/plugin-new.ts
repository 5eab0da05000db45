import { existsSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { reasonOf } from "../lib/errors.ts";
import { knownPlugins } from "../plugins/catalogue/index.ts";
import { ExitCode } from "./exit-codes.ts";
import { pluginText, testText } from "./plugin-template.ts";
import { processTerminal, type Terminal } from "./status-client.ts";

/** The directory of this package. */
const home = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export interface NewPluginOptions {
  readonly name: string;
  /** Absolute directory of the gateway's conf/. */
  readonly prefix: string;
  /** Where the plugin goes; `<prefix>/plugins` unless given. */
  readonly dir?: string;
}

/** `turnpike plugin new`: writes a plugin with its test, and what lets both find the gateway's types. */
export function newPlugin({ name, prefix, dir }: NewPluginOptions, terminal: Terminal = processTerminal): ExitCode {
  const directory = dir === undefined ? join(prefix, "plugins") : resolve(dir);
  const [plugin, test] = [join(directory, `${name}.ts`), join(directory, `${name}.test.ts`)];
  const fault = nameFault(name) ?? [plugin, test].filter((file) => existsSync(file)).map(isThere)[0];
  if (fault !== undefined) {
    terminal.err(`turnpike: ${fault}`);
    return ExitCode.failed;
  }
  try {
    mkdirSync(directory, { recursive: true });
    writePackage(directory);
    writeFileSync(plugin, pluginText(name), { flag: "wx" });
    writeFileSync(test, testText(name), { flag: "wx" });
  } catch (error) {
    terminal.err(`turnpike: not made: ${reasonOf(error)}`);
    return ExitCode.failed;
  }
  terminal.out(nextSteps(shown(plugin), shown(test), entryFor(prefix, plugin)));
  return ExitCode.ok;
}

const isThere = (file: string): string => `${shown(file)} is there already`;

function nameFault(name: string): string | undefined {
  if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(name) || name.length > 60) {
    return `${JSON.stringify(name)} cannot be the name of a plugin: lower-case letters, digits and single dashes can`;
  }
  return knownPlugins.has(name) ? `there is a plugin ${name} already: it is APISIX's or the gateway's own` : undefined;
}

/** Lets files in the directory import `turnpike/plugin`, in tests and in editors; what is there stays. */
function writePackage(directory: string): void {
  const linked = !finds(directory, "turnpike/plugin");
  if (linked) {
    const link = join(directory, "node_modules", "turnpike");
    mkdirSync(dirname(link), { recursive: true });
    if (lstatSync(link, { throwIfNoEntry: false }) === undefined) symlinkSync(home, link, "dir");
  }
  const own = join(directory, "package.json");
  if (!existsSync(own) && !holdsModules(directory)) {
    const manifest = {
      name: basename(directory).toLowerCase(),
      private: true,
      type: "module",
      scripts: { test: "node --test" },
      devDependencies: { turnpike: `file:${relative(directory, home)}` },
    };
    writeFileSync(own, `${JSON.stringify(manifest, null, 2)}\n`);
  }
  const tsconfig = join(directory, "tsconfig.json");
  const base = "tsconfig.plugin.json";
  const parent = linked ? `turnpike/${base}` : relative(directory, join(home, base));
  if (!existsSync(tsconfig)) writeFileSync(tsconfig, `${JSON.stringify({ extends: parent, include: ["**/*.ts"] })}\n`);
}

/** Whether Node takes files in the directory for ES modules: the next package.json above says so. */
function holdsModules(directory: string): boolean {
  for (let at = directory; ; at = dirname(at)) {
    const file = join(at, "package.json");
    if (statSync(file, { throwIfNoEntry: false })?.isFile() === true) {
      return (JSON.parse(readFileSync(file, "utf8")) as { readonly type?: unknown }).type === "module";
    }
    if (at === dirname(at)) return false;
  }
}

function finds(directory: string, module: string): boolean {
  try {
    createRequire(join(directory, "any.js")).resolve(module);
    return true;
  } catch {
    return false;
  }
}

/** How config.yaml names the file. */
function entryFor(prefix: string, file: string): string {
  const path = relative(prefix, file);
  return path.startsWith("..") ? file : `./${path}`;
}

function shown(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path;
}

function nextSteps(plugin: string, test: string, entry: string): string {
  return `made ${plugin} and ${test}

Next:
  node --test ${test}
and, to have the gateway run it, in conf/config.yaml:
  apisix:
    extra_plugins: ["${entry}"]
then:
  turnpike reload
From then on the gateway follows the file: what is saved is live within a second.`;
}

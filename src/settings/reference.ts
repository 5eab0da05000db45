import { configSchema } from "./keys/config.ts";
import type { Key } from "./keys/key.ts";

/** One key of config.yaml, for documentation. */
export interface SettingsKey {
  /** `apisix.node_listen[].ip`; `[]` stands for every entry of a list. */
  readonly path: string;
  readonly expected: string;
  readonly description: string;
  /** In JSON; `null` without one. */
  readonly default: string | null;
  readonly support: "works" | "foreign" | "planned";
}

/** Every key that config.yaml may hold, in the order of the reference. */
export function settingsKeys(): SettingsKey[] {
  const rows: SettingsKey[] = [];
  const walk = (parent: Key, path: string, inherited: SettingsKey["support"]): void => {
    for (const [name, key] of Object.entries(parent.properties ?? {})) {
      const at = path === "" ? name : `${path}.${name}`;
      const support = key.support ?? inherited;
      const hasDefault = key.default !== undefined && key.properties === undefined;
      rows.push({
        path: at,
        expected: key.expected,
        description: key.description,
        default: hasDefault ? JSON.stringify(key.default) : null,
        support,
      });
      walk(key, at, support);
      // A key that is a mapping or a list of the same says so.
      const same = key.properties !== undefined && key.items?.properties === key.properties;
      if (key.items !== undefined && !same) walk(key.items, `${at}[]`, support);
    }
  };
  walk(configSchema, "", "works");
  return rows;
}

/** The reference as Markdown: a table of what works, then lists of what does not. */
export function settingsReference(): string {
  const keys = settingsKeys();
  const working = keys.filter(({ support }) => support === "works");
  const table = working.map(
    (key) => `| \`${key.path}\` | ${cell(key.expected)} | ${shownDefault(key)} | ${cell(key.description)} |`,
  );
  const planned = keys.filter(({ support }) => support === "planned").map(({ path }) => `\`${path}\``);
  const foreign = keys.filter(({ support }) => support === "foreign");
  return [
    "| key | value | default | meaning |",
    "| --- | --- | --- | --- |",
    ...table,
    "",
    "### Not available in this version",
    "",
    "These are checked, and a warning names those that ask for something:",
    `${planned.join(", ")}.`,
    "",
    "### Without a meaning here",
    "",
    "These belong to nginx or Lua. One warning names those that are written.",
    "",
    ...foreign.map(({ path, description }) => `- \`${path}\`: ${description}`),
    "",
  ].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** Long defaults are told in words elsewhere on the page. */
function shownDefault(key: SettingsKey): string {
  if (key.default === null) return "";
  return key.default.length > 60 ? "see below" : `\`${cell(key.default)}\``;
}

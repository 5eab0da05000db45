import type { Keyring } from "../lib/keyring.ts";
import { encryptFieldsOf, type PluginRegistry } from "../plugin/plugin.ts";
import type { Kind } from "../schema/kinds.ts";

/**
 * Which fields of a plugin are encrypted at rest: dotted paths, as in
 * `redis.password`. `consumer` is what consumers and credentials hold; a plugin
 * without a schema of its own for them answers as for `conf`.
 */
export type EncryptedFields = (plugin: string, part: "conf" | "consumer" | "metadata") => readonly string[];

/** The fields that these plugins want encrypted. */
export function encryptedFieldsOf(plugins: PluginRegistry): EncryptedFields {
  return (name, part) => {
    const plugin = plugins.get(name);
    return plugin === undefined ? [] : encryptFieldsOf(plugin, part);
  };
}

/** No field of any plugin: for `enable_encrypt_fields: false`, which private keys do not heed. */
export const noEncryptedFields: EncryptedFields = () => [];

/**
 * A resource as the store keeps it: fields of plugins that are listed, and private
 * keys of `ssls` and upstreams, are ciphertext. Everything else is the same, and
 * `value` is not changed; parts of it may be shared with the result.
 *
 * As in APISIX a field of a plugin is encrypted whatever it holds, references and
 * ciphertext too; a private key only where it begins as PEM does.
 */
export function encryptResource<T>(kind: Kind, value: T, keyring: Keyring, fieldsOf: EncryptedFields): T {
  const field = (text: string): string => keyring.encrypt(text);
  const key = (text: string): string => (isPem(text) ? keyring.encrypt(text) : text);
  return mapSecrets(kind, value, fieldsOf, field, key) as T;
}

/**
 * The opposite of `encryptResource`. A text that no key of the ring decrypts stays
 * as it is: it was never encrypted. Never throws, whatever the shape of `value`.
 */
export function decryptResource<T>(kind: Kind, value: T, keyring: Keyring, fieldsOf: EncryptedFields): T {
  const field = (text: string): string => keyring.decrypt(text) ?? text;
  const key = (text: string): string => (isPem(text) ? text : (keyring.decrypt(text) ?? text));
  return mapSecrets(kind, value, fieldsOf, field, key) as T;
}

/** APISIX's words for a private key that is neither PEM, nor ciphertext of the keyring, nor a reference. */
export const UNREADABLE_KEY = "failed to decrypt previous encrypted key";

/** Whether a private key in `value` deserves `UNREADABLE_KEY`. */
export function hasUnreadableKey(kind: Kind, value: unknown, keyring: Keyring): boolean {
  let unreadable = false;
  const look = (text: string): string => {
    unreadable ||= !isPem(text) && !text.startsWith("$") && keyring.decrypt(text) === null;
    return text;
  };
  mapSecrets(kind, value, noEncryptedFields, (text) => text, look);
  return unreadable;
}

/** Where APISIX draws the line between a private key and its ciphertext. */
const isPem = (text: string): boolean => text.startsWith("---");

type Fields = Readonly<Record<string, unknown>>;
type MapText = (text: string) => string;

/** A copy of `value` with `field` applied to the fields of plugins and `key` to private keys. */
function mapSecrets(kind: Kind, value: unknown, fieldsOf: EncryptedFields, field: MapText, key: MapText): unknown {
  if (!isObject(value)) return value;
  switch (kind) {
    case "plugin_metadata":
      return mapFields(value, fieldsOf(String(value.id), "metadata"), field);
    case "ssls":
      return mapFields(value, ["key", "keys"], key);
    case "upstreams":
      return mapFields(value, ["tls.client_key"], key);
    default: {
      const part = kind === "consumers" || kind === "credentials" ? "consumer" : "conf";
      const plugins = mapPlugins(value.plugins, part, fieldsOf, field);
      const mapped = plugins === value.plugins ? value : { ...value, plugins };
      return mapFields(mapped, ["upstream.tls.client_key"], key);
    }
  }
}

function mapPlugins(plugins: unknown, part: "conf" | "consumer", fieldsOf: EncryptedFields, field: MapText): unknown {
  if (!isObject(plugins)) return plugins;
  const changed: [string, unknown][] = [];
  for (const [name, conf] of Object.entries(plugins)) {
    const mapped = mapFields(conf, fieldsOf(name, part), field);
    if (mapped !== conf) changed.push([name, mapped]);
  }
  return changed.length === 0 ? plugins : { ...plugins, ...Object.fromEntries(changed) };
}

const mapFields = (value: unknown, paths: readonly string[], map: MapText): unknown =>
  paths.reduce<unknown>((mapped, path) => mapAt(mapped, path.split("."), 0, map), value);

/** Follows a path; a list on the way is taken element by element. */
function mapAt(value: unknown, path: readonly string[], depth: number, map: MapText): unknown {
  const name = path[depth];
  if (name === undefined) return mapLeaf(value, map);
  if (Array.isArray(value)) return mapItems(value, (item) => mapAt(item, path, depth, map));
  if (!isObject(value) || !Object.hasOwn(value, name)) return value;
  const inner = value[name];
  const mapped = mapAt(inner, path, depth + 1, map);
  return mapped === inner ? value : { ...value, ...Object.fromEntries([[name, mapped]]) };
}

/** What a path ends at: a text, or the texts of a list or a mapping. */
function mapLeaf(value: unknown, map: MapText): unknown {
  const mapText = (item: unknown): unknown => (typeof item === "string" ? map(item) : item);
  if (Array.isArray(value)) return mapItems(value, mapText);
  if (!isObject(value)) return mapText(value);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapText(item)]));
}

function mapItems(items: readonly unknown[], map: (item: unknown) => unknown): readonly unknown[] {
  const mapped = items.map(map);
  return mapped.every((item, index) => item === items[index]) ? items : mapped;
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

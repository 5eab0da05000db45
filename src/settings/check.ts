import { isIP } from "node:net";
import { parseByteSize } from "../lib/byte-size.ts";
import { parseDuration } from "../lib/duration.ts";
import { parseListen } from "./address.ts";
import { describeValue } from "./describe-value.ts";
import { formatKeyPath, isMapping, type KeyPath, type Mapping } from "./key-path.ts";
import { configSchema } from "./keys/config.ts";
import type { JsonType, Key } from "./keys/key.ts";
import type { Report } from "./report.ts";

/** What the environment allows beyond the schema. */
export interface CheckOptions {
  /** Port 0 where the schema says `zeroInTests`. */
  readonly allowPortZero: boolean;
}

/** A configuration that meets the schema. */
export interface Checked {
  /** Every key that has a default is there; what was wrong is left out, or has its default. */
  readonly value: Mapping;
  /** What was wrong, and is reported. */
  readonly invalid: readonly KeyPath[];
}

/**
 * Checks against the schema, fills in defaults and reports every wrong value once;
 * what `reported` names, not again.
 *
 * A walk of our own over the few keywords that `Key` has: compiling the schema with
 * ajv takes 150 ms of every start. A test holds the two against each other.
 */
export function checkConfig(
  config: Mapping,
  reported: readonly KeyPath[],
  options: CheckOptions,
  report: Report,
): Checked {
  const known = new Set(reported.map(formatKeyPath));
  const invalid: KeyPath[] = [];

  /** The value with defaults, `undefined` where it is wrong. */
  const visit = (value: unknown, key: Key, path: KeyPath): unknown => {
    const isReported = known.size > 0 && known.has(formatKeyPath(path));
    if (isReported || !accepts(key, value, options)) {
      if (!isReported) report.error(path, `found ${describeValue(value, path)}, expected ${key.expected}`);
      invalid.push(path);
      return undefined;
    }
    const { items } = key;
    if (Array.isArray(value) && items !== undefined) {
      const right = value.map((item, index) => visit(item, items, [...path, index]));
      const kept = right.filter((item) => item !== undefined);
      return kept.length < (key.minItems ?? 0) ? undefined : kept;
    }
    return isMapping(value) && key.properties !== undefined ? mapping(value, key.properties, path) : value;
  };

  const mapping = (value: Mapping, properties: Readonly<Record<string, Key>>, path: KeyPath): Mapping => {
    const result = new Map(Object.entries(value));
    for (const [name, key] of Object.entries(properties)) {
      const at = [...path, name];
      const written = result.has(name) ? visit(result.get(name), key, at) : undefined;
      const used = written === undefined && key.default !== undefined ? visit(key.default, key, at) : written;
      if (used === undefined) result.delete(name);
      else result.set(name, used);
    }
    return Object.fromEntries(result);
  };

  return { value: mapping(config, configSchema.properties ?? {}, []), invalid };
}

/** Whether the value itself is right; what is below it is not looked at. */
function accepts(key: Key, value: unknown, options: CheckOptions): boolean {
  const types = typeof key.type === "string" ? [key.type] : key.type;
  if (!types.some((type) => isType[type](value))) return false;
  if (key.enum !== undefined && !key.enum.includes(value as string | boolean)) return false;
  if (key.not !== undefined && value === key.not.const) return false;
  if (typeof value === "string") return acceptsText(key, value);
  if (typeof value === "number") return acceptsNumber(key, value, options);
  return !Array.isArray(value) || value.length >= (key.minItems ?? 0);
}

function acceptsText(key: Key, text: string): boolean {
  if (text.length < (key.minLength ?? 0) || text.length > (key.maxLength ?? text.length)) return false;
  if (key.pattern !== undefined && !new RegExp(key.pattern, "u").test(text)) return false;
  return key.format === undefined || formats[key.format](text);
}

function acceptsNumber(key: Key, value: number, options: CheckOptions): boolean {
  if (key.port !== undefined && !isPort(key.port, value, options)) return false;
  return value >= (key.minimum ?? value) && value <= (key.maximum ?? value);
}

const isType: Readonly<Record<JsonType, (value: unknown) => boolean>> = {
  object: isMapping,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: Number.isFinite,
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
};

/** What `Key.format` means. */
export const formats: Readonly<Record<NonNullable<Key["format"]>, (text: string) => boolean>> = {
  duration: (text) => parseDuration(text) !== null,
  size: (text) => parseByteSize(text) !== null,
  ip: isAddress,
  cidr: isNetwork,
  listen: (text) => parseListen(text) !== null,
};

/** What `Key.port` means. */
export function isPort(mode: NonNullable<Key["port"]>, value: number, options: CheckOptions): boolean {
  const lowest = mode === "zeroInTests" && options.allowPortZero ? 0 : 1;
  return Number.isInteger(value) && value >= lowest && value <= 65535;
}

/** An address, IPv6 with or without brackets. */
function isAddress(text: string): boolean {
  const bare = /^\[(.*)\]$/.exec(text)?.[1];
  return bare === undefined ? isIP(text) !== 0 : isIP(bare) === 6;
}

/** An address or `address/prefix`; nginx's `unix:` means peers on a local socket. */
function isNetwork(text: string): boolean {
  if (text === "unix:") return true;
  const [address = "", prefix, ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

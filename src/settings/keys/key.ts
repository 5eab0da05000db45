/**
 * The keys of config.yaml, written down once: the same table checks a file, fills in
 * defaults, finds misspelt names and makes the reference in `docs/configuration.md`.
 * A key is a JSON Schema (draft-07) with three annotations: `expected`, `description`
 * and `support`.
 */
export interface Key {
  readonly type: JsonType | readonly JsonType[];
  /** What may be written, as messages and the reference say it: "true or false". */
  readonly expected: string;
  /** What it does: one sentence without markup. */
  readonly description: string;
  /**
   * Absent: it does what it says. `foreign`: known from APISIX and without a meaning
   * here. `planned`: not available in this version. Both are named in a warning.
   */
  readonly support?: "foreign" | "planned";
  readonly default?: unknown;
  /** Known keys of a mapping; others are unknown unless `additionalProperties` is true. */
  readonly properties?: Readonly<Record<string, Key>>;
  readonly additionalProperties?: true;
  readonly items?: Key;
  readonly enum?: readonly (string | boolean)[];
  readonly pattern?: string;
  readonly format?: "duration" | "size" | "ip" | "cidr" | "listen";
  /** A TCP port; `zeroInTests`: 0 is accepted where the environment allows it. */
  readonly port?: "checked" | "zeroInTests";
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly not?: { readonly const: unknown };
}

export type JsonType = "object" | "array" | "string" | "number" | "integer" | "boolean" | "null";

/** Keys below a mapping, by name. */
export type Keys = Readonly<Record<string, Key>>;

type Rest = Partial<Omit<Key, "description">>;

/** A mapping with known keys. */
export function mapping(description: string, properties: Keys, rest: Rest = {}): Key {
  return { type: "object", expected: "a mapping", description, properties, ...rest };
}

/** A mapping with known keys that need not be written: the defaults of its keys hold then. */
export function section(description: string, properties: Keys, rest: Rest = {}): Key {
  return mapping(description, properties, { default: {}, ...rest });
}

/** A mapping whose keys are not known here. */
export function openMap(description: string, rest: Rest = {}): Key {
  return { type: "object", expected: "a mapping", description, additionalProperties: true, ...rest };
}

export function flag(fallback: boolean, description: string, rest: Rest = {}): Key {
  return { type: "boolean", expected: "true or false", description, default: fallback, ...rest };
}

/** nginx's `on` and `off`; a boolean does as well. */
export function onOff(fallback: "on" | "off", description: string): Key {
  return {
    type: ["string", "boolean"],
    enum: ["on", "off", true, false],
    expected: '"on" or "off"',
    description,
    default: fallback,
  };
}

export function text(description: string, rest: Rest = {}): Key {
  return { type: "string", expected: "a string", description, ...rest };
}

export function choice(values: readonly string[], description: string, rest: Rest = {}): Key {
  return { type: "string", enum: values, expected: `one of ${values.join(", ")}`, description, ...rest };
}

/** A whole number; under `nginx_config` APISIX takes digits in a string as well. */
export function count(fallback: number | undefined, description: string, rest: Rest = {}): Key {
  const { minimum = 0, maximum } = rest;
  return {
    type: ["integer", "string"],
    pattern: "^\\d+$",
    minimum: 0,
    expected: `a whole number, ${maximum === undefined ? `${minimum} or more` : `from ${minimum} to ${maximum}`}`,
    description,
    ...(fallback === undefined ? {} : { default: fallback }),
    ...rest,
  };
}

export function duration(fallback: string, description: string, rest: Rest = {}): Key {
  return {
    type: ["string", "number"],
    format: "duration",
    minimum: 0,
    expected: "a duration such as 60s, 500ms or 1h30m, or a number of seconds",
    description,
    default: fallback,
    ...rest,
  };
}

export function size(fallback: string | number, description: string, rest: Rest = {}): Key {
  return {
    type: ["string", "integer"],
    format: "size",
    minimum: 0,
    expected: "a size such as 16k or 10m, or a number of bytes",
    description,
    default: fallback,
    ...rest,
  };
}

/** A port; 0 is refused unless `zeroInTests` and the environment say otherwise. */
export function port(fallback: number | undefined, description: string, rest: Rest = {}): Key {
  return {
    type: "integer",
    port: "checked",
    expected: "a port from 1 to 65535",
    description,
    ...(fallback === undefined ? {} : { default: fallback }),
    ...rest,
  };
}

export function ip(fallback: string | undefined, description: string, rest: Rest = {}): Key {
  return {
    type: "string",
    format: "ip",
    expected: 'an IP address such as "127.0.0.1" or "::1"',
    description,
    ...(fallback === undefined ? {} : { default: fallback }),
    ...rest,
  };
}

export function list(items: Key, description: string, rest: Rest = {}): Key {
  return { type: "array", items, expected: "a list", description, ...rest };
}

/** A list of addresses and CIDRs. */
export function networks(fallback: readonly string[] | undefined, description: string, rest: Rest = {}): Key {
  const network = text("One address or network.", {
    format: "cidr",
    expected: "an IP address or a network such as 10.0.0.0/8",
  });
  return list(network, description, {
    expected: "a list of IP addresses and networks",
    ...(fallback === undefined ? {} : { default: fallback }),
    ...rest,
  });
}

/** A key that APISIX has and that has no meaning here, whatever its value. */
export function foreign(description: string): Key {
  return {
    type: ["object", "array", "string", "number", "boolean", "null"],
    expected: "anything",
    description,
    support: "foreign",
  };
}

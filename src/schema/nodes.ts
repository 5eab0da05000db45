import { isIPv6 } from "node:net";
import { hostSchema } from "./address.ts";
import type { JsonSchema } from "./json-schema.ts";

/** A node in the list form of `nodes`. */
export interface NodeEntry {
  readonly host: string;
  /** Without one the port of the scheme is meant. */
  readonly port?: number;
  readonly weight: number;
  /** Nodes of a lower priority are asked when those of higher ones cannot be; 0 by default. */
  readonly priority?: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Either form: `{"127.0.0.1:80": 1}`, or a list. */
export type Nodes = Readonly<Record<string, number>> | readonly NodeEntry[];

/** `nodes` of an upstream. */
export const nodesSchema = {
  anyOf: [
    {
      type: "object",
      patternProperties: { ".*": { description: "weight of node", type: "integer", minimum: 0 } },
    },
    {
      type: "array",
      items: {
        type: "object",
        properties: {
          host: hostSchema,
          port: { description: "port of node", type: "integer", minimum: 1, maximum: 65535 },
          weight: { description: "weight of node", type: "integer", minimum: 0 },
          priority: { description: "priority of node", type: "integer", default: 0 },
          metadata: { description: "metadata of node", type: "object" },
        } satisfies Record<keyof NodeEntry, JsonSchema>,
        required: ["host", "weight"],
      },
    },
  ],
} as const satisfies JsonSchema;

/** Host and port of a key in the map form of `nodes`. */
export interface NodeAddress {
  /** IPv6 with its brackets. */
  readonly host: string;
  /** `null` where the key has none. */
  readonly port: number | null;
}

/**
 * Reads a key of the map form: `host`, `host:port`, `[v6]`, `[v6]:port` or a bare
 * IPv6 address; a reason (text) for anything else.
 */
export function parseNodeKey(key: string): NodeAddress | string {
  if (isIPv6(key) && !key.includes("%")) return { host: `[${key}]`, port: null };
  const match = /^(\[[0-9a-fA-F:.]+\]|\*?[0-9a-zA-Z-._]+)(?::(\w*))?$/.exec(key);
  if (match === null) return `invalid address of a node: ${key}`;
  const [, host = "", port] = match;
  if (host.startsWith("[") && !isIPv6(host.slice(1, -1))) return `invalid address of a node: ${key}`;
  if (port === undefined) return { host, port: null };
  const number = /^\d+$/.test(port) ? Number(port) : 0;
  return number >= 1 && number <= 65535 ? { host, port: number } : `invalid port ${port}`;
}

import type { JsonSchema } from "./json-schema.ts";

/** Timeouts towards a node, in seconds (fractions allowed). */
export interface Timeout {
  readonly connect: number;
  readonly send: number;
  readonly read: number;
}

/** `timeout` of routes and upstreams. */
export const timeoutSchema = {
  type: "object",
  properties: {
    connect: { type: "number", exclusiveMinimum: 0 },
    send: { type: "number", exclusiveMinimum: 0 },
    read: { type: "number", exclusiveMinimum: 0 },
  } satisfies Record<keyof Timeout, JsonSchema>,
  required: ["connect", "send", "read"],
} as const satisfies JsonSchema;

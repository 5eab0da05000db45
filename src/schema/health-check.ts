import { hostSchema } from "./address.ts";
import type { JsonSchema } from "./json-schema.ts";
import { methods, type Method } from "./methods.ts";

/** `checks` of an upstream. */
export interface HealthChecks {
  readonly active: ActiveCheck;
  readonly passive?: PassiveCheck;
}

/** Probes sent by the gateway. Times in seconds. */
export interface ActiveCheck {
  readonly type: "http" | "https" | "tcp";
  readonly timeout: number;
  readonly concurrency: number;
  readonly host?: string;
  readonly port?: number;
  readonly http_method: Method;
  readonly http_path: string;
  readonly http_req_body: string;
  readonly https_verify_certificate: boolean;
  readonly req_headers?: readonly string[];
  readonly healthy?: {
    readonly interval: number;
    readonly http_statuses: readonly number[];
    readonly successes: number;
  };
  readonly unhealthy?: FailureCounts & { readonly interval: number };
}

/** Judgement of real traffic. */
export interface PassiveCheck {
  readonly type: "http" | "https" | "tcp";
  readonly healthy?: { readonly http_statuses: readonly number[]; readonly successes: number };
  readonly unhealthy?: FailureCounts;
}

/** How many failures of each sort make a node unhealthy. */
export interface FailureCounts {
  readonly http_statuses: readonly number[];
  readonly http_failures: number;
  readonly tcp_failures: number;
  readonly timeouts: number;
}

/** What counts where a part of `checks` is absent: what its fields default to. */
export const healthDefaults = {
  active: {
    healthy: { interval: 1, http_statuses: [200, 302], successes: 2 },
    unhealthy: {
      interval: 1,
      http_statuses: [429, 404, 500, 501, 502, 503, 504, 505],
      http_failures: 5,
      tcp_failures: 2,
      timeouts: 3,
    },
  },
  passive: {
    healthy: {
      http_statuses: [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308],
      successes: 5,
    },
    unhealthy: { http_statuses: [429, 500, 503], http_failures: 5, tcp_failures: 2, timeouts: 7 },
  },
} as const satisfies { readonly active: Partial<ActiveCheck>; readonly passive: Omit<PassiveCheck, "type"> };

const { active, passive } = healthDefaults;

const typeSchema = { type: "string", enum: ["http", "https", "tcp"], default: "http" } as const satisfies JsonSchema;
const interval = <const D extends number>(byDefault: D) =>
  ({ type: "integer", minimum: 1, default: byDefault }) as const satisfies JsonSchema;

const statuses = <const D extends readonly number[]>(defaults: D) =>
  ({
    type: "array",
    minItems: 1,
    items: { type: "integer", minimum: 200, maximum: 599 },
    uniqueItems: true,
    default: defaults,
  }) as const satisfies JsonSchema;

const count = <const M extends number, const D extends number>(minimum: M, byDefault: D) =>
  ({ type: "integer", minimum, maximum: 254, default: byDefault }) as const satisfies JsonSchema;

/** `checks` of an upstream. */
export const healthChecksSchema = {
  type: "object",
  properties: {
    active: {
      type: "object",
      properties: {
        type: typeSchema,
        timeout: { type: "number", default: 1 },
        concurrency: { type: "integer", default: 10 },
        host: hostSchema,
        port: { type: "integer", minimum: 1, maximum: 65535 },
        http_method: { type: "string", enum: methods, default: "GET" },
        http_path: { type: "string", default: "/" },
        http_req_body: { type: "string", default: "" },
        https_verify_certificate: { type: "boolean", default: true },
        req_headers: { type: "array", minItems: 1, items: { type: "string", uniqueItems: true } },
        healthy: {
          type: "object",
          properties: {
            interval: interval(active.healthy.interval),
            http_statuses: statuses(active.healthy.http_statuses),
            successes: count(1, active.healthy.successes),
          },
        },
        unhealthy: {
          type: "object",
          properties: {
            interval: interval(active.unhealthy.interval),
            http_statuses: statuses(active.unhealthy.http_statuses),
            http_failures: count(1, active.unhealthy.http_failures),
            tcp_failures: count(1, active.unhealthy.tcp_failures),
            timeouts: count(1, active.unhealthy.timeouts),
          },
        },
      } satisfies Record<keyof ActiveCheck, JsonSchema>,
    },
    passive: {
      type: "object",
      properties: {
        type: typeSchema,
        healthy: {
          type: "object",
          properties: {
            http_statuses: statuses(passive.healthy.http_statuses),
            successes: count(0, passive.healthy.successes),
          },
        },
        unhealthy: {
          type: "object",
          properties: {
            http_statuses: statuses(passive.unhealthy.http_statuses),
            http_failures: count(0, passive.unhealthy.http_failures),
            tcp_failures: count(0, passive.unhealthy.tcp_failures),
            timeouts: count(0, passive.unhealthy.timeouts),
          } satisfies Record<keyof FailureCounts, JsonSchema>,
        },
      } satisfies Record<keyof PassiveCheck, JsonSchema>,
    },
  } satisfies Record<keyof HealthChecks, JsonSchema>,
  anyOf: [{ required: ["active"] }, { required: ["active", "passive"] }],
} as const satisfies JsonSchema;

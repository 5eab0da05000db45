import { hostSchema, remoteAddrSchema } from "./address.ts";
import type { JsonSchema } from "./json-schema.ts";
import { descSchema, idSchema, labelsSchema, nameSchema, timesSchema, type Labels, type Times } from "./metadata.ts";
import { methods, type Method } from "./methods.ts";
import { pluginsSchema, type Plugins } from "./plugins.ts";
import { timeoutSchema, type Timeout } from "./timeout.ts";
import { upstreamSchema, type InlineUpstream } from "./upstream.ts";

/** The resource `routes/<id>`, defaults filled in, ids as strings. */
export interface Route extends Times {
  readonly id: string;
  readonly name?: string;
  readonly desc?: string;
  readonly labels?: Labels;
  /** One of `uri` and `uris` is there. */
  readonly uri?: string;
  readonly uris?: readonly string[];
  /** At most one of `host` and `hosts`. */
  readonly host?: string;
  readonly hosts?: readonly string[];
  /** At most one of `remote_addr` and `remote_addrs`. */
  readonly remote_addr?: string;
  readonly remote_addrs?: readonly string[];
  /** Absent or empty: any method. */
  readonly methods?: readonly Method[];
  readonly priority: number;
  readonly vars?: readonly unknown[];
  readonly filter_func?: string;
  readonly script?: string;
  readonly script_id?: string;
  readonly plugins?: Plugins;
  readonly plugin_config_id?: string;
  readonly upstream?: InlineUpstream;
  readonly upstream_id?: string;
  readonly service_id?: string;
  readonly timeout?: Timeout;
  readonly enable_websocket?: boolean;
  /** 0: the route is not matched. */
  readonly status: 0 | 1;
}

const targets = ["plugins", "upstream", "upstream_id", "service_id"];

/** Schema of `routes`. */
export const routeSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    id: idSchema,
    name: nameSchema,
    desc: descSchema,
    labels: labelsSchema,
    uri: { type: "string", minLength: 1, maxLength: 4096 },
    uris: { type: "array", items: { description: "HTTP uri", type: "string" }, minItems: 1, uniqueItems: true },
    host: hostSchema,
    hosts: { type: "array", items: hostSchema, minItems: 1, uniqueItems: true },
    remote_addr: remoteAddrSchema,
    remote_addrs: { type: "array", items: remoteAddrSchema, minItems: 1, uniqueItems: true },
    methods: {
      type: "array",
      items: { description: "HTTP method", type: "string", enum: methods },
      uniqueItems: true,
    },
    priority: { type: "integer", default: 0 },
    vars: { type: "array" },
    filter_func: { type: "string", minLength: 10, pattern: "^function" },
    script: { type: "string", minLength: 10, maxLength: 102400 },
    script_id: idSchema,
    plugins: pluginsSchema,
    plugin_config_id: idSchema,
    upstream: upstreamSchema,
    upstream_id: idSchema,
    service_id: idSchema,
    timeout: timeoutSchema,
    enable_websocket: { description: "enable websocket for request", type: "boolean" },
    status: {
      description: "route status, 1 to enable, 0 to disable",
      type: "integer",
      enum: [1, 0],
      default: 1,
    },
  } satisfies Record<keyof Route, JsonSchema>,
  allOf: [
    { oneOf: [{ required: ["uri"] }, { required: ["uris"] }] },
    {
      oneOf: [
        { not: { anyOf: [{ required: ["host"] }, { required: ["hosts"] }] } },
        { required: ["host"] },
        { required: ["hosts"] },
      ],
    },
    {
      oneOf: [
        { not: { anyOf: [{ required: ["remote_addr"] }, { required: ["remote_addrs"] }] } },
        { required: ["remote_addr"] },
        { required: ["remote_addrs"] },
      ],
    },
  ],
  anyOf: [
    ...targets.map((target) => ({ required: [target, "uri"] })),
    ...targets.map((target) => ({ required: [target, "uris"] })),
    { required: ["script", "uri"] },
    { required: ["script", "uris"] },
  ],
  not: { anyOf: [{ required: ["script", "plugins"] }, { required: ["script", "plugin_config_id"] }] },
  additionalProperties: false,
} as const satisfies JsonSchema;

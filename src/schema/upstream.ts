import { hostSchema } from "./address.ts";
import { healthChecksSchema, type HealthChecks } from "./health-check.ts";
import type { JsonSchema } from "./json-schema.ts";
import { descSchema, idSchema, labelsSchema, nameSchema, timesSchema, type Labels, type Times } from "./metadata.ts";
import { nodesSchema, type Nodes } from "./nodes.ts";
import { timeoutSchema, type Timeout } from "./timeout.ts";

/** Load balancing algorithms. */
export const balancers = ["roundrobin", "chash", "ewma", "least_conn"] as const;

/** What `hash_on` may name. */
export const hashSources = ["vars", "header", "cookie", "consumer", "vars_combinations"] as const;

/** Schemes that a node may be spoken to in; the last four belong to streams. */
export const schemes = ["grpc", "grpcs", "http", "https", "tcp", "tls", "udp", "kafka"] as const;

/** An upstream within a route, service or stream route, defaults filled in. */
export interface InlineUpstream extends Times {
  readonly id?: string;
  readonly type: (typeof balancers)[number];
  /** One of `nodes` and `service_name` with `discovery_type` is there. */
  readonly nodes?: Nodes;
  readonly service_name?: string;
  readonly discovery_type?: string;
  readonly discovery_args?: Readonly<Record<string, unknown>>;
  readonly scheme: (typeof schemes)[number];
  readonly pass_host: "pass" | "node" | "rewrite";
  readonly upstream_host?: string;
  /** Attempts after the first; without it as many as there are further nodes. */
  readonly retries?: number;
  /** Seconds; 0 and absent mean no limit. */
  readonly retry_timeout?: number;
  readonly timeout?: Timeout;
  readonly hash_on: (typeof hashSources)[number];
  readonly key?: string;
  readonly checks?: HealthChecks;
  readonly keepalive_pool?: KeepalivePool;
  readonly tls?: UpstreamTls;
  readonly name?: string;
  readonly desc?: string;
  readonly labels?: Labels;
}

/** The resource `upstreams/<id>`. */
export interface UpstreamResource extends InlineUpstream {
  readonly id: string;
}

/** Idle connections to a node. */
export interface KeepalivePool {
  readonly size: number;
  /** Seconds. */
  readonly idle_timeout: number;
  readonly requests: number;
}

/** What the gateway shows to nodes that are spoken to over TLS. */
export interface UpstreamTls {
  readonly client_cert?: string;
  readonly client_key?: string;
  readonly client_cert_id?: string;
  readonly verify: boolean;
}

/** Size of a PEM certificate. */
export const certificateSchema = { type: "string", minLength: 128, maxLength: 65536 } as const satisfies JsonSchema;

/** Size of a PEM private key. */
export const privateKeySchema = { type: "string", minLength: 64, maxLength: 65536 } as const satisfies JsonSchema;

/** Schema of `upstreams` and of `upstream` within other kinds. */
export const upstreamSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    id: idSchema,
    name: nameSchema,
    desc: descSchema,
    labels: labelsSchema,
    // The rules say which ones there are: the schema is shown to clients, and APISIX's has no list.
    type: { description: "algorithms of load balancing", type: "string", default: "roundrobin" },
    nodes: nodesSchema,
    service_name: { type: "string", minLength: 1, maxLength: 256 },
    discovery_type: { description: "discovery type", type: "string" },
    discovery_args: {
      type: "object",
      properties: {
        namespace_id: { description: "namespace id", type: "string" },
        group_name: { description: "group name", type: "string" },
      },
    },
    scheme: {
      description: "HTTP: grpc, grpcs, http, https; streams: tcp, tls, udp; kafka",
      enum: schemes,
      default: "http",
    },
    pass_host: {
      description: "mod of host passing",
      type: "string",
      enum: ["pass", "node", "rewrite"],
      default: "pass",
    },
    upstream_host: hostSchema,
    retries: { type: "integer", minimum: 0 },
    retry_timeout: { type: "number", minimum: 0 },
    timeout: timeoutSchema,
    hash_on: { type: "string", enum: hashSources, default: "vars" },
    key: { description: "the key of chash for dynamic load balancing", type: "string" },
    checks: healthChecksSchema,
    keepalive_pool: {
      type: "object",
      properties: {
        size: { type: "integer", minimum: 1, default: 320 },
        idle_timeout: { type: "number", minimum: 0, default: 60 },
        requests: { type: "integer", minimum: 1, default: 1000 },
      } satisfies Record<keyof KeepalivePool, JsonSchema>,
    },
    tls: {
      type: "object",
      properties: {
        client_cert: certificateSchema,
        client_key: privateKeySchema,
        client_cert_id: idSchema,
        verify: { description: "whether the certificate of a node is checked", type: "boolean", default: false },
      } satisfies Record<keyof UpstreamTls, JsonSchema>,
      dependencies: {
        client_cert: { required: ["client_key"] },
        client_key: { required: ["client_cert"] },
        client_cert_id: { not: { required: ["client_cert", "client_key"] } },
      },
    },
  } satisfies Record<keyof UpstreamResource, JsonSchema>,
  oneOf: [{ required: ["nodes"] }, { required: ["service_name", "discovery_type"] }],
  additionalProperties: false,
} as const satisfies JsonSchema;

import { hostSchema } from "./address.ts";
import type { JsonSchema } from "./json-schema.ts";
import { descSchema, idSchema, labelsSchema, timesSchema, type Labels, type Times } from "./metadata.ts";
import { certificateSchema, privateKeySchema } from "./upstream.ts";

/** The resource `ssls/<id>`, defaults filled in. */
export interface Ssl extends Times {
  readonly id: string;
  readonly desc?: string;
  readonly labels?: Labels;
  /** `client`: shown to upstreams; needs no name. */
  readonly type: "server" | "client";
  /** A server certificate has one of `sni` and `snis`. */
  readonly sni?: string;
  readonly snis?: readonly string[];
  readonly cert: string;
  readonly key: string;
  /** Further certificates of the same names, one key each. */
  readonly certs?: readonly string[];
  readonly keys?: readonly string[];
  readonly client?: ClientVerification;
  readonly ocsp_stapling?: OcspStapling;
  readonly ssl_protocols?: readonly ("TLSv1.1" | "TLSv1.2" | "TLSv1.3")[];
  /** 0: the certificate is not used. */
  readonly status: 0 | 1;
}

/** How client certificates are checked. */
export interface ClientVerification {
  readonly ca: string;
  readonly depth: number;
  readonly skip_mtls_uri_regex?: readonly string[];
}

/** Whether clients are shown what the certificate's responder says of it; for those who enable the plugin `ocsp-stapling`. */
export interface OcspStapling {
  readonly enabled: boolean;
  /** Responses count whoever has signed them. */
  readonly skip_verify: boolean;
  /** Seconds after which the responder is asked again. */
  readonly cache_ttl: number;
}

/** Schema of `ssls`. */
export const sslSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    id: idSchema,
    desc: descSchema,
    labels: labelsSchema,
    type: {
      description: "ssl certificate type, server to server certificate, client to client certificate for upstream",
      type: "string",
      enum: ["server", "client"],
      default: "server",
    },
    sni: hostSchema,
    snis: { type: "array", items: hostSchema, minItems: 1 },
    cert: certificateSchema,
    key: privateKeySchema,
    certs: { type: "array", items: certificateSchema },
    keys: { type: "array", items: privateKeySchema },
    client: {
      type: "object",
      properties: {
        ca: certificateSchema,
        depth: { type: "integer", minimum: 0, default: 1 },
        skip_mtls_uri_regex: {
          type: "array",
          items: { description: "pattern of a path without mTLS", type: "string" },
          minItems: 1,
          uniqueItems: true,
        },
      } satisfies Record<keyof ClientVerification, JsonSchema>,
      required: ["ca"],
    },
    ocsp_stapling: {
      type: "object",
      properties: {
        enabled: { type: "boolean", default: false },
        skip_verify: { type: "boolean", default: false },
        cache_ttl: { type: "integer", minimum: 60, default: 3600 },
      } satisfies Record<keyof OcspStapling, JsonSchema>,
    },
    ssl_protocols: {
      description: "versions of TLS",
      type: "array",
      items: { enum: ["TLSv1.1", "TLSv1.2", "TLSv1.3"] },
      maxItems: 3,
      uniqueItems: true,
    },
    status: { description: "ssl status, 1 to enable, 0 to disable", type: "integer", enum: [1, 0], default: 1 },
  } satisfies Record<keyof Ssl, JsonSchema>,
  if: { properties: { type: { enum: ["server"] } } },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema.
  then: { oneOf: [{ required: ["sni", "key", "cert"] }, { required: ["snis", "key", "cert"] }] },
  else: { required: ["key", "cert"] },
  additionalProperties: false,
} as const satisfies JsonSchema;

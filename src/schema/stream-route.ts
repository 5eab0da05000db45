import { hostSchema, ipSchema, remoteAddrSchema } from "./address.ts";
import type { JsonSchema } from "./json-schema.ts";
import { descSchema, idSchema, labelsSchema, nameSchema, timesSchema, type Labels, type Times } from "./metadata.ts";
import { pluginsSchema, type Plugins } from "./plugins.ts";
import { upstreamSchema, type InlineUpstream } from "./upstream.ts";

/** The resource `stream_routes/<id>`, defaults filled in, ids as strings. */
export interface StreamRoute extends Times {
  readonly id: string;
  readonly name?: string;
  readonly desc?: string;
  readonly labels?: Labels;
  readonly remote_addr?: string;
  readonly server_addr?: string;
  readonly server_port?: number;
  readonly sni?: string;
  readonly upstream?: InlineUpstream;
  readonly upstream_id?: string;
  readonly service_id?: string;
  readonly plugins?: Plugins;
  readonly protocol?: StreamProtocol;
}

/** A protocol on top of the stream. */
export interface StreamProtocol {
  readonly name: string;
  readonly superior_id?: string;
  readonly conf?: Readonly<Record<string, unknown>>;
  readonly logger?: readonly Readonly<Record<string, unknown>>[];
}

/** Schema of `stream_routes`. */
export const streamRouteSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    id: idSchema,
    name: nameSchema,
    desc: descSchema,
    labels: labelsSchema,
    remote_addr: remoteAddrSchema,
    server_addr: { description: "server IP", ...ipSchema },
    server_port: { description: "server port", type: "integer", minimum: 1, maximum: 65535 },
    sni: { description: "server name indication", ...hostSchema },
    upstream: upstreamSchema,
    upstream_id: idSchema,
    service_id: idSchema,
    plugins: pluginsSchema,
    protocol: {
      type: "object",
      properties: {
        name: { type: "string" },
        superior_id: idSchema,
        conf: { description: "configuration of the protocol", type: "object" },
        logger: {
          type: "array",
          items: {
            properties: {
              name: { type: "string" },
              filter: { description: "when the logger is used", type: "array" },
              conf: { description: "configuration of the logger", type: "object" },
            },
            dependencies: { name: ["conf"] },
            additionalProperties: false,
          },
        },
      } satisfies Record<keyof StreamProtocol, JsonSchema>,
      required: ["name"],
    },
  } satisfies Record<keyof StreamRoute, JsonSchema>,
  additionalProperties: false,
} as const satisfies JsonSchema;

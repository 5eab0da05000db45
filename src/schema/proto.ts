import type { JsonSchema } from "./json-schema.ts";
import { descSchema, idSchema, labelsSchema, nameSchema, timesSchema, type Labels, type Times } from "./metadata.ts";

/** The resource `protos/<id>`: the text of a .proto file, or a descriptor set in base64. */
export interface Proto extends Times {
  readonly id: string;
  readonly name?: string;
  readonly desc?: string;
  readonly labels?: Labels;
  readonly content: string;
}

/** Schema of `protos`. */
export const protoSchema = {
  type: "object",
  properties: {
    ...timesSchema,
    id: idSchema,
    name: nameSchema,
    desc: descSchema,
    labels: labelsSchema,
    content: { type: "string", minLength: 1, maxLength: 1048576 },
  } satisfies Record<keyof Proto, JsonSchema>,
  required: ["content"],
  additionalProperties: false,
} as const satisfies JsonSchema;

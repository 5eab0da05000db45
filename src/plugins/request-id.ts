import { definePlugin } from "../plugin/plugin.ts";
import { answerHeaderName, cleanHeaderValue, isHeaderName } from "../plugin/header-text.ts";
import { idGenerators } from "./request-id-algorithms.ts";

const CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIGKLMNOPQRSTUVWXYZ0123456789";

export const requestId = definePlugin({
  name: "request-id",
  summary: "Gives every request an id, or keeps the one that the client sent.",
  priority: 12015,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      header_name: { type: "string", default: "X-Request-Id", $comment: "Header that carries the id." },
      include_in_response: {
        type: "boolean",
        default: true,
        $comment: "Sends the id to the client too, unless the answer has that header already.",
      },
      algorithm: {
        type: "string",
        enum: ["uuid", "nanoid", "range_id", "ksuid", "uuidv7"],
        default: "uuid",
        $comment: "How ids are made.",
      },
      range_id: {
        type: "object",
        $comment: "For `range_id`.",
        properties: {
          length: { type: "integer", minimum: 6, default: 16, $comment: "Characters of an id." },
          char_set: {
            type: "string",
            minLength: 6,
            default: CHARACTERS,
            $comment: "Characters that an id is made of.",
          },
        },
        default: { length: 16, char_set: CHARACTERS },
      },
    },
  },

  compile(conf) {
    const name = conf.header_name;
    if (!isHeaderName(name)) throw new Error(`header_name ${JSON.stringify(name)} is not a header's name`);
    const lower = name.toLowerCase();
    const answered = answerHeaderName(name);
    const own = answered.toLowerCase();
    // Two instances (a global rule and a route) with different headers keep ids of their own.
    const slot = `request-id:${lower}`;
    const makeId = idGenerators[conf.algorithm](conf.range_id);
    return {
      rewrite(ctx) {
        // As it is sent on: an instance that ran before may have set it.
        let id = ctx.upstream.header(lower);
        if (id === undefined || id === "") {
          id = makeId();
          ctx.upstream.setHeader(name, id);
        }
        ctx.values.set("apisix_request_id", id);
        if (conf.include_in_response) ctx.values.set(slot, id);
      },
      ...(conf.include_in_response && {
        header_filter(ctx, head) {
          const id = ctx.values.get(slot);
          if (typeof id === "string" && !head.header(own)) head.setHeader(answered, cleanHeaderValue(id));
        },
      }),
    };
  },
});

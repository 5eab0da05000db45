import type { RequestContext } from "../plugin/context.ts";
import { definePlugin } from "../plugin/plugin.ts";
import type { PluginHandlers } from "../plugin/plugin.ts";
import { compileAnswerHeaders } from "./templated-headers.ts";

export const echo = definePlugin({
  name: "echo",
  summary: "Puts text around the body of answers, or in its place; for learning and for tests.",
  priority: 412,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      before_body: { type: "string", description: "Goes before the body." },
      body: { type: "string", description: "Replaces the body." },
      after_body: { type: "string", description: "Goes after the body." },
      headers: { type: "object", minProperties: 1, description: "Headers of the answer." },
    },
    minProperties: 1,
    anyOf: [{ required: ["before_body"] }, { required: ["body"] }, { required: ["after_body"] }],
  },

  compile(conf): PluginHandlers {
    const before = Buffer.from(conf.before_body ?? "");
    const after = Buffer.from(conf.after_body ?? "");
    const whole = conf.body === undefined ? null : Buffer.concat([before, Buffer.from(conf.body), after]);
    const headers = compileAnswerHeaders(conf.headers ?? {});
    const begun = new WeakSet<RequestContext>();

    return {
      header_filter(ctx, head) {
        for (const [name, value] of headers(ctx)) head.setHeader(name, value);
        if (whole === null) head.streamBody();
        else head.replaceBody(whole);
      },
      ...(whole === null && {
        body_filter(ctx: RequestContext, chunk: Buffer, last: boolean) {
          const first = begun.has(ctx) ? EMPTY : before;
          begun.add(ctx);
          return Buffer.concat([first, chunk, last ? after : EMPTY]);
        },
      }),
    };
  },
});

const EMPTY = Buffer.alloc(0);

import { isHeaderText, utf8Bytes } from "../plugin/header-text.ts";
import { definePlugin } from "../plugin/plugin.ts";
import type { JsonSchema } from "../schema/json-schema.ts";

/** The statuses that have a page. */
const statuses = [404, 500, 502, 503];

const page = {
  type: "object",
  properties: {
    body: { type: "string", $comment: "The page; without it, or an empty one, the answer stays as it is." },
    content_type: { type: "string", default: "text/html", $comment: "Type of the page." },
  },
} as const satisfies JsonSchema;

interface Page {
  readonly body?: string;
  readonly content_type?: string;
}

export const errorPage = definePlugin({
  name: "error-page",
  summary: "Replaces the pages of errors that the gateway itself answers with, never those of nodes.",
  priority: 450,
  version: "0.1",
  schema: {},
  metadataSchema: {
    type: "object",
    properties: {
      enable: { type: "boolean", default: false, $comment: "Whether pages are replaced." },
      ...Object.fromEntries(statuses.map((status) => [`error_${status}`, page])),
    },
  },

  checkMetadata(metadata) {
    for (const status of statuses) {
      const { content_type: type = "" } = (metadata[`error_${status}`] ?? {}) as Page;
      if (!isHeaderText(type)) throw new Error(`error_${status}: content_type holds control characters`);
    }
  },

  compile(_, env) {
    const { enable, ...configured } = env.metadata ?? {};
    if (enable !== true) return {};
    const pages = new Map<number, { readonly body: Buffer; readonly type: string }>();
    for (const status of statuses) {
      const { body = "", content_type: type = "text/html" } = (configured[`error_${status}`] ?? {}) as Page;
      if (body !== "") pages.set(status, { body: Buffer.from(body), type: utf8Bytes(type) });
    }
    if (pages.size === 0) return {};
    return {
      header_filter(_ctx, head) {
        const instead = head.fromUpstream ? undefined : pages.get(head.status);
        if (instead === undefined) return;
        head.setHeader("Content-Type", instead.type);
        head.replaceBody(instead.body);
      },
    };
  },
});

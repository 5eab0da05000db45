import type { RequestContext, ResponseHead } from "../plugin/context.ts";
import { expressionFaultIn, firstOf, pcreFault } from "../plugin/conf-rules.ts";
import { compileExpression } from "../plugin/expression.ts";
import { compileHeaderEdits } from "../plugin/header-edits.ts";
import type { HeaderEditsConf } from "../plugin/header-edits.ts";
import { answerHeaderName } from "../plugin/header-text.ts";
import { definePlugin } from "../plugin/plugin.ts";
import type { PluginHandlers } from "../plugin/plugin.ts";
import { BodyRewriter, compileFilters, decoderOf } from "./response-rewrite-filters.ts";
import type { BodyFilter } from "./response-rewrite-filters.ts";

const value = { oneOf: [{ type: "string" }, { type: "number" }] } as const;
const headerMap = { type: "object", minProperties: 1, patternProperties: { "^[^:]+$": value } } as const;

export const responseRewrite = definePlugin({
  name: "response-rewrite",
  summary: "Rewrites answers, the gateway's own included: status, headers and body.",
  priority: 899,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      status_code: { type: "integer", minimum: 200, maximum: 598, description: "New status." },
      body: { type: "string", description: "New body." },
      body_base64: { type: "boolean", default: false, description: "Whether `body` is base64 of the body to send." },
      headers: {
        description:
          "Headers to `add` (`Name: value`), to `set` and to `remove`, in this order; without these words the headers to set. Values may hold variables.",
        anyOf: [
          headerMap,
          {
            properties: {
              add: { type: "array", minItems: 1, items: { type: "string", pattern: "^[^:]+:[^:]*[^/]$" } },
              set: headerMap,
              remove: { type: "array", minItems: 1, items: { type: "string", pattern: "^[^:]+$" } },
            },
          },
        ],
      },
      vars: {
        type: "array",
        $comment: 'Only answers are rewritten for which this holds, as in `[["status", "==", 200]]`.',
      },
      filters: {
        type: "array",
        minItems: 1,
        description: "Replacements in the body, one after the other; not together with `body`.",
        items: {
          description: "A replacement.",
          type: "object",
          required: ["regex", "replace"],
          properties: {
            regex: { type: "string", minLength: 1, description: "Regular expression." },
            scope: {
              type: "string",
              enum: ["once", "global"],
              default: "once",
              description: "Whether the first match is replaced or all of them.",
            },
            replace: { type: "string", description: "Replacement; `$1`, `${1}` are captures, `$$` is a dollar." },
            options: {
              type: "string",
              default: "jo",
              description: "Options of `ngx.re`: `i`, `m`, `s`, `u`, `a`; `j` and `o` have no effect.",
            },
          },
        },
      },
      max_resp_body_size: {
        type: "integer",
        minimum: 1,
        default: 67108864,
        description: "Bytes of the body that `filters` gather at most; what goes beyond is cut off.",
      },
    },
    dependencies: { body: { not: { required: ["filters"] } }, filters: { not: { required: ["body"] } } },
  },

  checkConf: ({ body, body_base64: isBase64, vars, filters }) =>
    firstOf(
      isBase64 === true && decodeBase64((body ?? "") as string) === null ? "invalid base64 content" : null,
      expressionFaultIn("vars", vars),
      filterFault(filters),
    ),

  compile(conf, env): PluginHandlers {
    const { vars = [] } = conf;
    const applies = vars.length === 0 ? null : compileExpression(vars);
    const { status_code: status } = conf;
    const body = readBody(conf.body, conf.body_base64);
    const edits = compileHeaderEdits(readHeaders(conf.headers), (message) => env.warn(message));
    const filters = conf.filters === undefined ? null : compileFilters(conf.filters);
    const rewriters = new WeakMap<RequestContext, BodyRewriter>();

    return {
      header_filter(ctx, head) {
        if (applies !== null && !applies(ctx)) return;
        if (status !== undefined) head.status = status;
        if (body !== null) {
          dropValidators(head);
          head.replaceBody(body);
        }
        if (filters !== null) startFilters(ctx, head, filters);
        if (edits !== null) edits(ctx, head, null);
      },
      ...(filters !== null && {
        body_filter: (ctx: RequestContext, chunk: Buffer, last: boolean) =>
          rewriters.get(ctx)?.take(chunk, last) ?? chunk,
      }),
    };

    function startFilters(ctx: RequestContext, head: ResponseHead, filters: readonly BodyFilter[]): void {
      const coding = head.header("content-encoding");
      const decode = decoderOf(coding);
      if (decode === null) {
        env.warn(`an answer with Content-Encoding ${coding} was not filtered`);
        return;
      }
      head.removeHeader("content-encoding");
      dropValidators(head);
      head.streamBody();
      rewriters.set(ctx, new BodyRewriter(filters, decode, conf.max_resp_body_size, env));
    }
  },
});

/** They describe the body that is not sent (RFC 9110 section 8.8). */
function dropValidators(head: ResponseHead): void {
  head.removeHeader("etag");
  head.removeHeader("last-modified");
}

function readBody(body: string | undefined, isBase64: boolean): Buffer | null {
  if (!isBase64) return body === undefined ? null : Buffer.from(body);
  const decoded = decodeBase64(body ?? "");
  if (decoded === null) throw new Error("invalid base64 content");
  return decoded;
}

/** `null` where it is no base64, or nothing. */
function decodeBase64(text: string): Buffer | null {
  const canonical = text.replaceAll(/[\r\n]/g, "");
  const valid = canonical !== "" && canonical.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(canonical);
  return valid ? Buffer.from(canonical, "base64") : null;
}

/** What PCRE says of the first expression that it refuses, in APISIX's words. */
function filterFault(filters: unknown): string | null {
  for (const { regex } of (filters ?? []) as readonly { readonly regex: string }[]) {
    const fault = pcreFault(regex);
    if (fault !== null) return `regex "${regex}" validation failed: ${fault}`;
  }
  return null;
}

type HeaderMap = Readonly<Record<string, string | number>>;

/** Both forms of `headers`: by verb, or just the ones to set. The schema has checked them. */
function readHeaders(headers: unknown): HeaderEditsConf {
  if (headers === undefined) return { add: [], remove: [], set: [] };
  if (typeof headers !== "object" || headers === null) throw new Error("headers must be an object");
  const verbs = headers as { add?: readonly string[]; remove?: readonly string[]; set?: HeaderMap };
  const byVerb = [verbs.add, verbs.remove, verbs.set].some((part) => typeof part === "object");
  const { add = [], remove = [], set = {} } = byVerb ? verbs : { set: headers as HeaderMap };
  return {
    add: add.map((line) => {
      const colon = line.indexOf(":");
      return [answerHeaderName(line.slice(0, colon).trim()), line.slice(colon + 1).trim()] as const;
    }),
    // A node's header may have either name.
    remove: [...new Set(remove.flatMap((name) => [name, answerHeaderName(name)]))],
    set: Object.entries(set).map(([name, text]) => [answerHeaderName(name), [String(text)]] as const),
  };
}

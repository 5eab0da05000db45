import type { RequestContext, ResponseHead } from "../plugin/context.ts";
import { firstOf, pcreFaultIn } from "../plugin/conf-rules.ts";
import { isHeaderText } from "../plugin/header-text.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import type { PluginEnv } from "../plugin/plugin.ts";
import { compileOrigins } from "./cors-origins.ts";

const origins = "^(\\*|\\*\\*|null|\\w+://[^,]+(,\\w+://[^,]+)*)$";
const patterns = {
  type: "array",
  minItems: 1,
  uniqueItems: true,
  items: { type: "string", minLength: 1, maxLength: 4096 },
} as const;

const starred = ["allow_origins", "allow_methods", "allow_headers", "expose_headers", "timing_allow_origins"];

export const cors = definePlugin({
  name: "cors",
  summary: "Lets scripts of other origins read answers (CORS), and answers preflight requests.",
  priority: 4000,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      allow_origins: { type: "string", pattern: origins, default: "*", description: "Origins, `*` or `**` for all." },
      allow_methods: { type: "string", default: "*", description: "Methods, `*` or `**` for all." },
      allow_headers: { type: "string", default: "*", description: "Request headers, `*` or `**` for all." },
      expose_headers: { type: "string", description: "Headers that scripts may read." },
      max_age: { type: "integer", default: 5, description: "Seconds that browsers keep the answer." },
      allow_credential: {
        type: "boolean",
        default: false,
        description: "Whether cookies may be sent; forbids `*`.",
      },
      allow_origins_by_regex: { ...patterns, description: "Patterns of origins." },
      allow_origins_by_metadata: { ...patterns, description: "Names of origins in the metadata." },
      timing_allow_origins: { type: "string", pattern: origins, description: "Origins that may read timings." },
      timing_allow_origins_by_regex: { ...patterns, description: "Patterns of origins that may read timings." },
    },
  },
  metadataSchema: {
    type: "object",
    properties: {
      allow_origins: {
        type: "object",
        additionalProperties: { type: "string", pattern: origins },
        $comment: "Names for `allow_origins_by_metadata`, and the origins that they stand for.",
      },
    },
  },
  checkConf: (conf) =>
    firstOf(
      pcreFaultIn(conf.allow_origins_by_regex),
      pcreFaultIn(conf.timing_allow_origins_by_regex),
      conf.allow_credential === true && starred.some((name) => conf[name] === "*")
        ? "you can not set '*' for other option when 'allow_credential' is true"
        : null,
    ),

  compile(conf, env) {
    const allowed = compileOrigins({
      list: conf.allow_origins,
      patterns: conf.allow_origins_by_regex,
      more: originsInMetadata(conf.allow_origins_by_metadata ?? [], env),
    });
    const timing = compileOrigins({
      list: conf.timing_allow_origins,
      patterns: conf.timing_allow_origins_by_regex,
      more: [],
    });
    const reflectsHeaders = conf.allow_headers === "**";
    const fixed = fixedHeaders(conf);
    const preflight = reply(200, "", [["Content-Type", "text/plain"]]);

    function answerOrigin(ctx: RequestContext, head: ResponseHead, origin: string | undefined): void {
      if (allowed === null) return;
      if (allowed.varies) varyByOrigin(head);
      const value = allowed.allow(origin);
      if (value === null) return;
      head.setHeader("Access-Control-Allow-Origin", value);
      for (const [name, text] of fixed) head.setHeader(name, text);
      const asked = reflectsHeaders ? ctx.header("access-control-request-headers") : undefined;
      if (asked !== undefined) head.setHeader("Access-Control-Allow-Headers", asked);
    }

    return {
      rewrite: (ctx) => (ctx.method === "OPTIONS" ? preflight : undefined),
      header_filter(ctx, head) {
        const origin = ctx.header("origin");
        answerOrigin(ctx, head, origin);
        if (timing === null) return;
        const value = timing.allow(origin);
        if (value !== null) head.setHeader("Timing-Allow-Origin", value);
      },
    };
  },
});

/** The lists that the metadata has under these names. */
function originsInMetadata(names: readonly string[], env: PluginEnv): readonly string[] {
  const known = (env.metadata?.allow_origins ?? {}) as Readonly<Record<string, string>>;
  return names.flatMap((name) => {
    if (Object.hasOwn(known, name)) return [known[name] as string];
    env.warn(`the metadata has no allow_origins.${name}`);
    return [];
  });
}

interface FixedConf {
  readonly allow_methods: string;
  readonly allow_headers: string;
  readonly expose_headers?: string;
  readonly max_age: number;
  readonly allow_credential: boolean;
}

/** What every allowed origin is told. */
function fixedHeaders(conf: FixedConf): readonly (readonly [name: string, value: string])[] {
  const methods = conf.allow_methods === "**" ? everyMethod : conf.allow_methods;
  const headers: (readonly [string, string])[] = [
    ["Access-Control-Allow-Methods", methods],
    ["Access-Control-Max-Age", String(conf.max_age)],
  ];
  if (conf.expose_headers) headers.push(["Access-Control-Expose-Headers", conf.expose_headers]);
  if (conf.allow_headers !== "**") headers.push(["Access-Control-Allow-Headers", conf.allow_headers]);
  if (conf.allow_credential) headers.push(["Access-Control-Allow-Credentials", "true"]);
  for (const [name, value] of headers) {
    if (!isHeaderText(value)) throw new Error(`${name} would hold characters that no header may`);
  }
  return headers;
}

const everyMethod = "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE";

const namesOrigin = /(?:^|[\s,])(?:origin|\*)(?:$|[\s,])/i;

/** Tells caches that the answer depends on `Origin`. */
function varyByOrigin(head: ResponseHead): void {
  const present = head.header("vary");
  if (present === undefined) head.setHeader("Vary", "Origin");
  else if (!namesOrigin.test(present)) head.setHeader("Vary", `${present}, Origin`);
}

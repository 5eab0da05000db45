import { reasonOf } from "../lib/errors.ts";
import type { RequestContext } from "../plugin/context.ts";
import { pcreFault } from "../plugin/conf-rules.ts";
import { isHeaderName } from "../plugin/header-text.ts";
import { compileHeaderEdits } from "../plugin/header-edits.ts";
import type { HeaderEditsConf } from "../plugin/header-edits.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import type { Reply } from "../plugin/plugin.ts";
import { compileSafeRegex, MAX_SUBJECT } from "../plugin/safe-regex.ts";
import { compileTarget, escapePath, ESCAPED_SLASH, hasDotSegment, matchedPath } from "./proxy-rewrite-uri.ts";
import type { Captures, TargetTemplate } from "./proxy-rewrite-uri.ts";

const value = { oneOf: [{ type: "string" }, { type: "number" }] } as const;
const values = {
  oneOf: [...value.oneOf, { type: "array", minItems: 1, items: value }],
} as const;

export const proxyRewrite = definePlugin({
  name: "proxy-rewrite",
  summary: "Rewrites the request that goes to the node: path, query, method, host and headers.",
  priority: 1008,
  version: "0.1",
  schema: {
    type: "object",
    minProperties: 1,
    properties: {
      uri: {
        type: "string",
        minLength: 1,
        maxLength: 4096,
        pattern: "^\\/.*",
        description: "New path, and query where it has a `?`. May hold variables.",
      },
      regex_uri: {
        type: "array",
        minItems: 2,
        items: { type: "string", description: "A pattern, or what replaces its match." },
        description:
          "Pairs of a regular expression for the path and what replaces its match; the first that matches counts. Not looked at where `uri` is given.",
      },
      method: {
        type: "string",
        enum: [
          "COPY",
          "DELETE",
          "GET",
          "HEAD",
          "LOCK",
          "MKCOL",
          "MOVE",
          "OPTIONS",
          "PATCH",
          "POST",
          "PROPFIND",
          "PUT",
          "TRACE",
          "UNLOCK",
        ],
        description: "New method.",
      },
      host: {
        type: "string",
        pattern: "^[0-9a-zA-Z-.]+(:\\d{1,5})?$",
        description: "New `Host`, unless the upstream's `pass_host` is `node` or `rewrite`.",
      },
      headers: {
        description:
          "Headers to `add`, `remove` and `set`, in this order; without these words the headers to set. Values may hold variables and the captures `$1`, `$2`, … of `regex_uri`.",
        oneOf: [
          {
            type: "object",
            minProperties: 1,
            additionalProperties: false,
            properties: {
              add: { type: "object", minProperties: 1, patternProperties: { "^[^:]+$": values } },
              set: { type: "object", minProperties: 1, patternProperties: { "^[^:]+$": values } },
              remove: { type: "array", minItems: 1, items: { type: "string", pattern: "^[^:]+$" } },
            },
          },
          { type: "object", minProperties: 1, patternProperties: { "^[^:]+$": value } },
        ],
      },
      use_real_request_uri_unsafe: {
        type: "boolean",
        default: false,
        description: "Matches and rewrites the request target as the client sent it, without decoding it.",
      },
    },
  },

  checkConf: ({ regex_uri: pairs, headers }) =>
    regexFault((pairs ?? []) as readonly string[]) ?? headerFault(readHeaders(headers)),

  compile(conf, env) {
    const raw = conf.use_real_request_uri_unsafe;
    const target = conf.uri === undefined ? null : compileTarget(conf.uri, false, raw);
    const rules = target === null ? compileRules(conf.regex_uri ?? [], raw) : [];
    const edits = compileHeaderEdits(readHeaders(conf.headers), (message) => env.warn(message));
    const { host, method } = conf;

    return {
      rewrite(ctx) {
        const { upstream } = ctx;
        let captures: Captures | null = null;
        if (target !== null) {
          const rewritten = withQuery(target.render(ctx, null), target.hasQuery, upstream.target);
          if (hasDotSegment(rewritten)) return DOT_SEGMENT;
          upstream.target = rewritten;
        } else if (rules.length > 0) {
          const subject = raw ? upstream.target : matchedPath(ctx);
          if (subject.length > MAX_SUBJECT) return TOO_LONG;
          const match = firstMatch(rules, subject);
          if (match !== null) {
            const rewritten = replaceMatch(ctx, match, subject, raw);
            if (!raw && hasDotSegment(rewritten)) return DOT_SEGMENT;
            upstream.target = rewritten;
            captures = match.captures.map((text) => text?.replaceAll(ESCAPED_SLASH, "/"));
          }
        }
        if (host !== undefined) upstream.host = host;
        if (edits !== null) edits(ctx, upstream, captures);
        if (method !== undefined) upstream.method = method;
        return undefined;
      },
    };
  },
});

/** A pattern that PCRE refuses, or one without a replacement. */
function regexFault(pairs: readonly string[]): string | null {
  if (pairs.length % 2 !== 0) return "The length of regex_uri should be an even number";
  for (let i = 0; i < pairs.length; i += 2) {
    const fault = pcreFault(pairs[i] as string);
    if (fault !== null) return `invalid regex_uri(${pairs[i]}, ${pairs[i + 1]}): ${fault}`;
  }
  return null;
}

function headerFault({ add, set }: HeaderEditsConf): string | null {
  const names = [...add, ...set].map(([name]) => name);
  return names.every(isHeaderName) ? null : "invalid field character in header";
}

const DOT_SEGMENT: Reply = reply(400, { error_msg: "the rewritten path has a segment of dots" });
const TOO_LONG: Reply = reply(414);

interface Rule {
  readonly regex: RegExp;
  readonly replacement: TargetTemplate;
}

interface Match {
  readonly rule: Rule;
  readonly captures: RegExpExecArray;
}

function compileRules(pairs: readonly string[], raw: boolean): Rule[] {
  if (pairs.length % 2 !== 0) throw new Error("The length of regex_uri should be an even number");
  const rules: Rule[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const [pattern = "", replacement = ""] = pairs.slice(i, i + 2);
    try {
      rules.push({ regex: compileSafeRegex(pattern), replacement: compileTarget(replacement, true, raw) });
    } catch (thrown) {
      throw new Error(`invalid regex_uri(${pattern}, ${replacement}): ${reasonOf(thrown)}`, { cause: thrown });
    }
  }
  return rules;
}

function firstMatch(rules: readonly Rule[], subject: string): Match | null {
  for (const rule of rules) {
    const captures = rule.regex.exec(subject);
    if (captures !== null) return { rule, captures };
  }
  return null;
}

/** The subject with its match replaced. A raw subject is a whole target, with its query. */
function replaceMatch(ctx: RequestContext, { rule, captures }: Match, subject: string, raw: boolean): string {
  const before = subject.slice(0, captures.index);
  const after = subject.slice(captures.index + captures[0].length);
  const middle = rule.replacement.render(ctx, captures);
  if (raw) return absolute(`${before}${middle}${after}`);
  const path = `${escapePath(before)}${middle}${escapePath(after)}`;
  return withQuery(absolute(path), rule.replacement.hasQuery, ctx.upstream.target);
}

/** A request target begins with a slash (RFC 9112 section 3.2.1). */
function absolute(target: string): string {
  return target.startsWith("/") ? target : `/${target}`;
}

/** Adds the query that the request has by now. */
function withQuery(path: string, hasQuery: boolean, target: string): string {
  const question = target.indexOf("?");
  if (question === -1) return path;
  return `${path}${hasQuery ? "&" : "?"}${target.slice(question + 1)}`;
}

type HeaderValue = string | number | readonly (string | number)[];
type HeaderMap = Readonly<Record<string, HeaderValue>>;

const texts = (value: HeaderValue): string[] => (Array.isArray(value) ? value : [value]).map(String);

/** Both forms of `headers`: by verb, or just the ones to set. The schema has checked them. */
function readHeaders(headers: unknown): HeaderEditsConf {
  if (headers === undefined) return { add: [], remove: [], set: [] };
  const verbs = headers as { add?: HeaderMap; remove?: readonly string[]; set?: HeaderMap };
  const byVerb = [verbs.add, verbs.remove, verbs.set].some((part) => typeof part === "object");
  const { add = {}, remove = [], set = {} } = byVerb ? verbs : { set: headers as HeaderMap };
  return {
    add: Object.entries(add).flatMap(([name, value]) => texts(value).map((text) => [name, text] as const)),
    remove,
    set: Object.entries(set).map(([name, value]) => [name, texts(value)] as const),
  };
}

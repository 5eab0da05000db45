import { pcreFault } from "../plugin/conf-rules.ts";
import type { RequestContext } from "../plugin/context.ts";
import { isHeaderText } from "../plugin/header-text.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import type { PluginEnv, PluginHandlers, Reply } from "../plugin/plugin.ts";
import { compileSafeRegex, MAX_SUBJECT } from "../plugin/safe-regex.ts";
import { compileLocation, type Captures } from "./redirect-location.ts";
import { checkStatus } from "./reply-status.ts";

export const redirect = definePlugin({
  name: "redirect",
  summary: "Sends clients to another address, or from HTTP to HTTPS.",
  priority: 900,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      ret_code: { type: "integer", minimum: 200, default: 302, $comment: "Status, but for `http_to_https`." },
      uri: {
        type: "string",
        minLength: 2,
        pattern: "(\\\\\\$[0-9a-zA-Z_]+)|\\$\\{([0-9a-zA-Z_]+)\\}|\\$([0-9a-zA-Z_]+)|(\\$|[^$\\\\]+)",
        $comment: "New address; may hold variables.",
      },
      regex_uri: {
        type: "array",
        items: { type: "string", description: "A pattern, then what replaces its match." },
        minItems: 2,
        maxItems: 2,
        description: "Rewrites the client's path into the new address.",
      },
      http_to_https: {
        type: "boolean",
        $comment: "Sends what came by HTTP to the same address by HTTPS: 301 for GET and HEAD, 308 for other methods.",
      },
      encode_uri: {
        type: "boolean",
        default: false,
        $comment: "Whether the new address is percent-encoded (RFC 3986).",
      },
      append_query_string: {
        type: "boolean",
        default: false,
        $comment: "Whether the query of the request goes along.",
      },
    },
    oneOf: [{ required: ["uri"] }, { required: ["regex_uri"] }, { required: ["http_to_https"] }],
  },
  checkConf({ regex_uri: regexUri, http_to_https: toHttps, append_query_string: append }) {
    if (toHttps === true && append === true) {
      return "only one of `http_to_https` and `append_query_string` can be configured.";
    }
    if (regexUri === undefined) return null;
    const [pattern = "", template = ""] = regexUri as readonly string[];
    const reason = pcreFault(pattern) ?? templateFault(template);
    return reason === null ? null : `invalid regex_uri (${pattern}, ${template}), err:${reason}`;
  },

  compile(conf, env): PluginHandlers {
    if (conf.http_to_https !== undefined) return conf.http_to_https ? { rewrite: toHttps(env) } : {};
    const status = checkStatus("ret_code", conf.ret_code);
    const [pattern, replacement = ""] = conf.regex_uri ?? [];
    const template = conf.uri ?? replacement;
    if (!isHeaderText(template)) throw new Error("the new address holds control characters");
    const location = compileLocation(template, pattern !== undefined, conf.encode_uri);
    const found = pattern === undefined ? () => null : compileMatch(pattern);
    const tooLong = reply(414);

    return {
      rewrite(ctx) {
        const captures = found(ctx);
        if (captures === "too long") return tooLong;
        if (captures === null && pattern !== undefined) return undefined;
        return answer(status, finish(location(ctx, captures), ctx, conf.append_query_string));
      },
    };
  },
});

/** A replacement may name captures by number only. */
function templateFault(template: string): string | null {
  const rest = template.replaceAll(/\$(?:\$|&|\d+|\{\d+\})/g, "");
  return rest.includes("$") ? "failed to compile the replacement template" : null;
}

const answer = (status: number, location: string): Reply => reply(status, "", [["Location", location]]);

function compileMatch(pattern: string): (ctx: RequestContext) => Captures | null | "too long" {
  const expression = compileSafeRegex(pattern);
  return (ctx) => (ctx.uri.length > MAX_SUBJECT ? "too long" : expression.exec(ctx.uri));
}

/** Adds the query where that is asked for. */
function finish(location: string, { query }: RequestContext, append: boolean): string {
  if (!append || query === "") return location;
  return `${location}${location.includes("?") ? "&" : "?"}${query}`;
}

/** The port is `plugin_attr.redirect.https_port`, which the gateway's own port for TLS stands in for. */
function toHttps({ attr }: PluginEnv): (ctx: RequestContext) => Reply | undefined {
  const { https_port: given = 443 } = attr as { readonly https_port?: unknown };
  const port = Number(given);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error("plugin_attr.redirect.https_port is no port");
  const suffix = port === 443 ? "" : `:${port}`;
  return (ctx) => {
    const forwarded = ctx.peerTrusted ? ctx.header("x-forwarded-proto") : undefined;
    if ((forwarded ?? ctx.scheme) === "https" || ctx.host === "") return undefined;
    const status = ctx.method === "GET" || ctx.method === "HEAD" ? 301 : 308;
    return answer(status, `https://${ctx.host}${suffix}${ctx.target}`);
  };
}

import type { RequestContext } from "../plugin/context.ts";
import { parseTemplate } from "../plugin/template-parts.ts";
import { compileTemplate, compileVariable, type VariableAccessor } from "../plugin/variables.ts";
import type { InlineUpstream } from "../schema/upstream.ts";
import type { Balancing } from "../upstream/picker.ts";

/** How an upstream picks its nodes. */
export function compileBalancing(upstream: InlineUpstream): Balancing {
  return upstream.type === "chash" ? { type: "chash", keyOf: compileHashKey(upstream) } : { type: upstream.type };
}

const remoteAddr = compileVariable("remote_addr");

/** The text that `chash` hashes; the client's address where a request has none. */
function compileHashKey({ hash_on: on, key = "remote_addr" }: InlineUpstream): (ctx: RequestContext) => string {
  if (on === "vars_combinations") {
    const template = compileTemplate(key);
    const variables = parseTemplate(key, "apisix").flatMap(({ name }) =>
      name === null ? [] : [compileVariable(name)],
    );
    // What is written between them is the same for everybody, who would all go to one node.
    return (ctx) => {
      const known = variables.some((read) => (read(ctx) ?? "") !== "");
      return known ? template.render(ctx) : (remoteAddr(ctx) ?? "");
    };
  }
  const read = hashVariable(on, key);
  return (ctx) => read(ctx) || (remoteAddr(ctx) ?? "");
}

function hashVariable(on: InlineUpstream["hash_on"], key: string): VariableAccessor {
  switch (on) {
    case "header":
      return compileVariable(`http_${key}`);
    case "cookie":
      return compileVariable(`cookie_${key}`);
    case "consumer":
      return compileVariable("consumer_name");
    default:
      return compileVariable(key);
  }
}

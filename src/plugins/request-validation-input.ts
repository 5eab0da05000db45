import type { RequestContext } from "../plugin/context.ts";
import { decodeQuery } from "../plugin/query.ts";
import { textOfWire } from "../plugin/wire-text.ts";

/** What schemas are held against: names to texts, or to lists of them where a name occurs more than once. */
export type Fields = Readonly<Record<string, string | boolean | readonly (string | boolean)[]>>;

/** The headers of a request, with names in lower case. */
export function headerFields(ctx: RequestContext): Fields {
  return collect(ctx.headers().map(([name, value]) => [name.toLowerCase(), textOfWire(value)] as const));
}

/** A form (`application/x-www-form-urlencoded`); a name without `=` is `true`. */
export function decodeForm(bytes: Buffer): Fields {
  const pairs = bytes
    .toString("latin1")
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=");
      if (equals === -1) return [text(pair), true] as const;
      return [text(pair.slice(0, equals)), text(pair.slice(equals + 1))] as const;
    });
  return collect(pairs);
}

const text = (part: string): string => Buffer.from(decodeQuery(part), "latin1").toString();

function collect(pairs: readonly (readonly [name: string, value: string | boolean])[]): Fields {
  const fields = new Map<string, string | boolean | (string | boolean)[]>();
  for (const [name, value] of pairs) {
    const present = fields.get(name);
    if (present === undefined) fields.set(name, value);
    else if (Array.isArray(present)) present.push(value);
    else fields.set(name, [present, value]);
  }
  return Object.fromEntries(fields);
}

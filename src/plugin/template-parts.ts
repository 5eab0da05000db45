/** A piece of a template: static text (`name` is null), or a variable and the text that stands for it without a value. */
export interface TemplatePart {
  readonly name: string | null;
  readonly text: string;
}

/** `apisix`: plugin attributes; `nginx`: log formats. */
export type TemplateSyntax = "apisix" | "nginx";

const syntaxes: Readonly<Record<TemplateSyntax, RegExp>> = {
  // Digits are a capture, and end where they end: `$1_$2`.
  apisix: /(?<!\\)\$(?:\{\s*([^}]+?)\s*\}|(\d+|\w+(?:\.\w+)*))/g,
  nginx: /\$(?:\{(\w+)\}|(\w+))/g,
};

/** Takes a template apart; adjoining static text comes as one part. A lone `$` is text. */
export function parseTemplate(text: string, syntax: TemplateSyntax): readonly TemplatePart[] {
  const parts: TemplatePart[] = [];
  let end = 0;
  for (const match of text.matchAll(syntaxes[syntax])) {
    if (match.index > end) parts.push({ name: null, text: text.slice(end, match.index) });
    const [name = "", fallback = ""] = (match[1] ?? match[2] ?? "").split(/\s*\?\?\s*/, 2);
    parts.push({ name, text: fallback });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push({ name: null, text: text.slice(end) });
  return parts;
}

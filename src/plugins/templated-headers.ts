import type { RequestContext } from "../plugin/context.ts";
import { compileHeaderValue } from "../plugin/header-edits.ts";
import { answerHeaderName, isHeaderName, isHeaderText, isOwnedByGateway, utf8Bytes } from "../plugin/header-text.ts";

type Headers = readonly (readonly [name: string, value: string])[];

/**
 * Compiles headers of a message that the gateway makes; values are texts or numbers and may hold variables,
 * of which control characters are dropped. Throws where a name or a value cannot stand
 * in a header, or the header is one that only the gateway writes.
 */
export function compileHeaders(conf: Readonly<Record<string, unknown>>): (ctx: RequestContext) => Headers {
  const compiled = Object.entries(conf).map(([name, value]) => {
    const text = String(value);
    if (!isHeaderName(name)) throw new Error(`${JSON.stringify(name)} cannot name a header`);
    if (!isHeaderText(text)) throw new Error(`the value of header ${name} holds control characters`);
    if (isOwnedByGateway(name)) throw new Error(`header ${name} is written by the gateway itself`);
    return { name, text, render: compileHeaderValue(text) };
  });
  if (compiled.every(({ text }) => !text.includes("$"))) {
    const fixed = compiled.map(({ name, text }) => [name, utf8Bytes(text)] as const);
    return () => fixed;
  }
  return (ctx) => compiled.map(({ name, render }) => [name, render(ctx, null)] as const);
}

/** The same for answers to clients. */
export function compileAnswerHeaders(conf: Readonly<Record<string, unknown>>): (ctx: RequestContext) => Headers {
  return compileHeaders(
    Object.fromEntries(Object.entries(conf).map(([name, value]) => [answerHeaderName(name), value])),
  );
}

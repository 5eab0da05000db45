import type { RequestContext } from "../plugin/context.ts";
import {
  answerHeaderName,
  cleanHeaderValue,
  isHeaderName,
  isHeaderText,
  isOwnedByGateway,
  utf8Bytes,
} from "../plugin/header-text.ts";
import { compileTemplate } from "../plugin/variables.ts";

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
    return [name, compileTemplate(text)] as const;
  });
  if (compiled.every(([, { constant }]) => constant !== null)) {
    const fixed = compiled.map(([name, { constant }]) => [name, utf8Bytes(constant ?? "")] as const);
    return () => fixed;
  }
  return (ctx) => compiled.map(([name, { render }]) => [name, cleanHeaderValue(render(ctx))] as const);
}

/** The same for answers to clients. */
export function compileAnswerHeaders(conf: Readonly<Record<string, unknown>>): (ctx: RequestContext) => Headers {
  return compileHeaders(
    Object.fromEntries(Object.entries(conf).map(([name, value]) => [answerHeaderName(name), value])),
  );
}

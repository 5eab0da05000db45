import { reasonOf } from "../../lib/errors.ts";
import { nestingFault } from "../../lib/nesting.ts";
import { parseJson } from "../../source/json-text.ts";
import { refuse } from "./answers.ts";
import type { AdminAnswer } from "./exchange.ts";

/** Characters of a broken body that are shown again. */
const MAX_ECHO = 256;

/** A parsed body; `value` is `undefined` where there was none. */
export type JsonBody = { readonly value: unknown } | { readonly answer: AdminAnswer };

/** Reads a body as JSON; what is wrong with it is said with line and column. */
export function parseBody(body: string): JsonBody {
  if (body === "") return { value: undefined };
  let value: unknown;
  try {
    value = parseJson("line", body);
  } catch (error) {
    return broken(reasonOf(error).replace(/^line:(\d+):(\d+):/, "line $1, column $2:"), body);
  }
  const deep = nestingFault(value);
  if (deep !== null) return broken(deep, body);
  // Where a number would be rounded it may only be an id, which is a text as well.
  return { value: /\d{16}/.test(body) ? exactIds(body) : value };
}

function broken(reason: string, body: string): JsonBody {
  return { answer: refuse(400, `invalid request body: ${reason}`, { req_body: body.slice(0, MAX_ECHO) }) };
}

/** Integers beyond 2^53 in fields that hold ids become the text of their digits. */
function exactIds(body: string): unknown {
  return JSON.parse(body, (name: string, value: unknown, context?: { readonly source?: string }) => {
    const rounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
    return rounded && /^(id|.*_id)$/.test(name) && /^\d+$/.test(context?.source ?? "") ? context?.source : value;
  }) as unknown;
}

import { reasonOf } from "../../lib/errors.ts";
import { nestingFault } from "../../lib/nesting.ts";
import { parseJson } from "../../source/json-text.ts";
import { parseYaml } from "../../source/yaml-text.ts";

/** A body with a configuration; an error is worded for the client. */
export type ConfigsBody =
  | { readonly value: Readonly<Record<string, unknown>> }
  /** `parsed`: it is JSON or YAML, but no configuration. */
  | { readonly error: string; readonly parsed: boolean };

/** Reads a configuration that was sent as YAML (`application/yaml`) or JSON (anything else). */
export function readConfigsBody(text: string, contentType: string | undefined): ConfigsBody {
  if (text === "") return refuse("empty request body");
  const yaml = contentType?.toLowerCase().startsWith("application/yaml") === true;
  let value: unknown;
  try {
    value = yaml ? parseYaml("", text) : parseJson("", text);
  } catch (error) {
    const where = placed(reasonOf(error));
    return refuse(yaml ? `invalid yaml request body: ${where}` : where);
  }
  const deep = nestingFault(value);
  if (deep !== null) return refuse(deep);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return { value: value as Readonly<Record<string, unknown>> };
  }
  // APISIX's words for a scalar; it takes a list for an empty configuration.
  if (yaml && !Array.isArray(value)) return refuse("invalid yaml request body");
  return refuse(`expected an object with lists of resources by kind, got ${nameOf(value)}`, true);
}

const refuse = (reason: string, parsed = false): ConfigsBody => ({ error: `invalid request body: ${reason}`, parsed });

/** The reason of a reader without a file's name: `:1:5: …`. */
function placed(reason: string): string {
  const [, line, column, message] = /^:(\d+):(\d+): (.*)$/s.exec(reason) ?? [];
  return message === undefined ? reason.replace(/^: /, "") : `line ${line}, column ${column}: ${message}`;
}

function nameOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return value === null ? "null" : `a ${typeof value}`;
}

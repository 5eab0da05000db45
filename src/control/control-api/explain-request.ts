import { isIP } from "node:net";
import type { DescribedRequest } from "../../compile/described-request.ts";
import { reasonOf } from "../../lib/errors.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { validatorOf } from "../../schema/validate.ts";
import { parseJson } from "../../source/json-text.ts";
import type { ControlRequest } from "./endpoint.ts";

/** What is to be explained. */
export interface ExplainRequest {
  readonly request: DescribedRequest;
  /** Whom an authentication plugin would find; `null`: nobody. */
  readonly consumer: string | null;
}

interface Fields {
  readonly method: string;
  readonly path?: string;
  readonly uri?: string;
  readonly host: string;
  readonly scheme: "http" | "https";
  readonly remote_addr: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly consumer?: string;
}

const schema = {
  type: "object",
  properties: {
    method: { type: "string", minLength: 1, maxLength: 64, default: "GET" },
    path: { type: "string", pattern: "^/", maxLength: 8192 },
    uri: { type: "string", pattern: "^/", maxLength: 8192 },
    host: { type: "string", maxLength: 256, default: "" },
    scheme: { type: "string", enum: ["http", "https"], default: "http" },
    remote_addr: { type: "string", default: "127.0.0.1" },
    headers: { type: "object", patternProperties: { ".*": { type: "string" } }, default: {} },
    consumer: { type: "string" },
  } satisfies Record<keyof Fields, JsonSchema>,
  additionalProperties: false,
} as const satisfies JsonSchema;

/** Reads a request from JSON (POST) or from parameters (GET, with `header=Name: value` for each header). */
export function readExplainRequest(
  method: "GET" | "POST",
  { query, body }: ControlRequest,
): ExplainRequest | { readonly error: string } {
  let value: unknown;
  try {
    value = method === "GET" ? fromQuery(query) : parseJson("body", body);
  } catch (error) {
    return { error: reasonOf(error) };
  }
  const fault = validatorOf(schema).check(value);
  if (fault !== null) return { error: fault.message };
  const { path, uri, consumer, ...fields } = value as Fields;
  const target = path ?? uri;
  if (target === undefined) return { error: 'property "path" is required' };
  if (isIP(fields.remote_addr) === 0) return { error: `remote_addr: ${fields.remote_addr} is no address` };
  const headers = new Map(Object.entries(fields.headers).map(([name, text]) => [name.toLowerCase(), text]));
  const request = {
    // Targets are bytes; what is not ASCII stands for its UTF-8.
    target: Buffer.from(target).toString("latin1"),
    method: fields.method,
    host: fields.host === "" ? (headers.get("host") ?? "") : fields.host,
    scheme: fields.scheme,
    headers,
    remoteAddr: fields.remote_addr,
  };
  return { request, consumer: consumer ?? null };
}

function fromQuery(query: URLSearchParams): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const headers: Record<string, string> = {};
  for (const [name, value] of query) {
    if (name !== "header") fields[name] = value;
    else {
      const colon = value.indexOf(":");
      if (colon <= 0) throw new Error("header: expected Name: value");
      headers[value.slice(0, colon).trim()] = value.slice(colon + 1).trim();
    }
  }
  return { ...fields, headers };
}

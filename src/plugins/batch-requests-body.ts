/** What a client asks of batch-requests, read strictly. */

/** One request of a batch. */
export interface BatchItem {
  readonly method: string;
  readonly path: string;
  readonly query: Fields;
  readonly headers: Fields;
  readonly body: string | null;
}

export interface Batch {
  /** Milliseconds for each request. */
  readonly timeoutMs: number;
  readonly items: readonly BatchItem[];
}

type Fields = Readonly<Record<string, string>>;

/** CONNECT, which APISIX lists as well, asks for a tunnel. */
const METHODS = new Set(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"]);
const MAX_ITEMS = 1_000;
const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 600_000;

/** The batch, or what is wrong with the text. */
export function parseBatch(text: string): Batch | string {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return "invalid request body: it is not JSON";
  }
  try {
    return readBatch(data);
  } catch (error) {
    return `bad request body: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function readBatch(data: unknown): Batch {
  const { pipeline, timeout = DEFAULT_TIMEOUT_MS, query, headers } = objectOf(data, "the body");
  if (pipeline === undefined) throw new Error('property "pipeline" is required');
  if (!Array.isArray(pipeline)) throw new Error('property "pipeline" must be an array');
  if (pipeline.length === 0) throw new Error('property "pipeline" must have at least 1 item');
  if (pipeline.length > MAX_ITEMS) throw new Error(`property "pipeline" must have at most ${MAX_ITEMS} items`);
  if (typeof timeout !== "number" || !Number.isInteger(timeout) || timeout < 1 || timeout > MAX_TIMEOUT_MS) {
    throw new Error(`property "timeout" must be an integer from 1 to ${MAX_TIMEOUT_MS}`);
  }
  const common = { query: fieldsOf(query, "query"), headers: lowerNames(fieldsOf(headers, "headers")) };
  const items = pipeline.map((item: unknown, index) => readItem(item, `pipeline[${index}]`, common));
  return { timeoutMs: timeout, items };
}

function readItem(data: unknown, at: string, common: Pick<BatchItem, "query" | "headers">): BatchItem {
  const { method = "GET", path, query, headers, body } = objectOf(data, at);
  if (typeof path !== "string" || !/^\/[\x21-\x7e]*$/.test(path)) {
    throw new Error(`property "${at}.path" must be a path that begins with "/"`);
  }
  if (typeof method !== "string" || !METHODS.has(method)) throw new Error(`property "${at}.method" is no method`);
  if (body !== undefined && typeof body !== "string") throw new Error(`property "${at}.body" must be a string`);
  return {
    method,
    path,
    query: { ...common.query, ...fieldsOf(query, `${at}.query`) },
    headers: { ...common.headers, ...lowerNames(fieldsOf(headers, `${at}.headers`)) },
    body: body ?? null,
  };
}

function objectOf(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${at} must be an object`);
  return value as Record<string, unknown>;
}

/** Texts by name; numbers and booleans as texts. */
function fieldsOf(value: unknown, at: string): Fields {
  if (value === undefined) return {};
  const entries = Object.entries(objectOf(value, `property "${at}"`)).map(([name, field]) => {
    if (typeof field === "string") return [name, field];
    if (typeof field === "number" || typeof field === "boolean") return [name, String(field)];
    throw new Error(`property "${at}.${name}" must be a string`);
  });
  return Object.fromEntries(entries) as Fields;
}

function lowerNames(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]));
}

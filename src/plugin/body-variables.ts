import type { BodyUse, RequestContext } from "./context.ts";
import { parseGraphql, type GraphqlOperation } from "./graphql.ts";
import { decodeQuery } from "./query.ts";

/**
 * Variables that look into the body of a request: `graphql_name`,
 * `graphql_operation`, `graphql_root_fields`, `post_arg_NAME` (forms) and
 * `post_arg.PATH` (JSON and forms). Whoever reads one before the body is there makes
 * the gateway read it, within its limit, and match again. A body that is too long,
 * or is not what its Content-Type says, has no values.
 */

/** A value as its source types it. */
export type BodyValue = string | number | boolean | readonly unknown[] | undefined;

const bodyVariable = /^(?:graphql_(?:name|operation|root_fields)$|post_arg[._].)/;

/** Whether a variable of that name looks into the body. */
export function isBodyVariable(name: string): boolean {
  return bodyVariable.test(name);
}

/** What a variable looks into the body for; `null` where it does not. */
export function bodyUseOf(name: string): BodyUse | null {
  if (!isBodyVariable(name)) return null;
  return name.startsWith("graphql_") ? "graphql" : "post_arg";
}

/** Where uses are noted while something is compiled. */
let noted: Set<BodyUse> | null = null;

/**
 * Runs `compile`, which must not be asynchronous, and adds to `uses` what the variables that it
 * compiles look into the body for: in keys, templates and conditions, wherever they stand.
 */
export function notingBodyUses<T>(uses: Set<BodyUse>, compile: () => T): T {
  const before = noted;
  noted = uses;
  try {
    return compile();
  } finally {
    noted = before;
    // What is compiled within something else is a use of both.
    if (before !== null) for (const use of uses) before.add(use);
  }
}

/** What JSONPath has besides: descending, filters, slices, unions. Elsewhere it may belong to a form's name. */
const beyondPaths = /\.\.|\[\s*[?(]|\[[^\]'"]*[:,]/;

/**
 * The reader of a variable that looks into the body; `null` for every other name. Throws where
 * its path is one of JSONPath that is not understood here.
 */
export function compileBodyVariable(name: string): ((ctx: RequestContext) => BodyValue) | null {
  const use = bodyUseOf(name);
  if (use === null) return null;
  noted?.add(use);
  if (name === "graphql_name") return (ctx) => graphqlOf(ctx)?.name;
  if (name === "graphql_operation") return (ctx) => graphqlOf(ctx)?.type;
  if (name === "graphql_root_fields") return (ctx) => graphqlOf(ctx)?.rootFields;
  const key = name.slice("post_arg_".length);
  if (name.startsWith("post_arg_")) return (ctx) => (typeOf(ctx) === FORM ? formOf(ctx)?.get(key) : undefined);
  if (beyondPaths.test(key)) {
    throw new Error(`${name}: of JSONPath only names, positions and [*] are known (a.b, a['b'], a[0], a[*].b)`);
  }
  const path = parsePath(key);
  return (ctx) => {
    const type = typeOf(ctx);
    if (type === JSON_TYPE) return path === null ? undefined : select(jsonOf(ctx), path);
    return type === FORM || type === MULTIPART ? formOf(ctx)?.get(key) : undefined;
  };
}

const FORM = "application/x-www-form-urlencoded";
const MULTIPART = "multipart/form-data";
const JSON_TYPE = "application/json";

/** The media type of the request in lower case, without parameters. */
function typeOf(ctx: RequestContext): string {
  const value = ctx.header("content-type") ?? "";
  const end = value.indexOf(";");
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase();
}

/** Computed once per request, as soon as the body is there. */
function once<T>(ctx: RequestContext, key: string, use: BodyUse, read: (body: Buffer) => T): T | null {
  const known = ctx.values.get(key);
  if (known !== undefined) return known as T | null;
  const body = ctx.bodyFor(use);
  if (body === null) return null;
  const value = read(body);
  ctx.values.set(key, value);
  return value;
}

function graphqlOf(ctx: RequestContext): GraphqlOperation | null {
  if (ctx.method === "GET") {
    const source = ctx.argument("query");
    return source === undefined ? null : parseGraphql(source, ctx.argument("operationName"));
  }
  if (ctx.method !== "POST") return null;
  return once(ctx, "body graphql", "graphql", (body) => readGraphql(typeOf(ctx), body.toString("utf8")));
}

function readGraphql(type: string, text: string): GraphqlOperation | null {
  if (type === "application/graphql") return parseGraphql(text);
  if (type !== JSON_TYPE) return null;
  const { query, operationName } = (parseJson(text) ?? {}) as {
    readonly query?: unknown;
    readonly operationName?: unknown;
  };
  if (typeof query !== "string") return null;
  return parseGraphql(query, typeof operationName === "string" ? operationName : undefined);
}

function jsonOf(ctx: RequestContext): unknown {
  return once(ctx, "body json", "post_arg", (body) => parseJson(body.toString("utf8")));
}

/** `null` for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** Fields that are looked at; more are not. */
const MAX_FIELDS = 1_000;

function formOf(ctx: RequestContext): ReadonlyMap<string, string> | null {
  return once(ctx, "body form", "post_arg", (body) =>
    typeOf(ctx) === FORM ? readForm(body) : readMultipart(body, ctx.header("content-type") ?? ""),
  );
}

/** The first value of every name. */
function readForm(body: Buffer): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const text = body.toString("latin1");
  let start = 0;
  for (let number = 0; start < text.length && number < MAX_FIELDS; number++) {
    const found = text.indexOf("&", start);
    const end = found < 0 ? text.length : found;
    const pair = text.slice(start, end);
    const equals = pair.indexOf("=");
    const name = decodeText(equals < 0 ? pair : pair.slice(0, equals));
    if (!fields.has(name)) fields.set(name, equals < 0 ? "" : decodeText(pair.slice(equals + 1)));
    start = end + 1;
  }
  return fields;
}

const decodeText = (text: string): string => Buffer.from(decodeQuery(text), "latin1").toString("utf8");

/** The fields of a multipart form (RFC 7578) that are no files; nothing of it where it is cut short. */
function readMultipart(body: Buffer, contentType: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  if (boundary === null) return fields;
  const delimiter = `\r\n--${boundary[1] ?? boundary[2] ?? ""}`;
  const parts = `\r\n${body.toString("latin1")}`.split(delimiter, MAX_FIELDS + 2);
  if (parts.at(-1)?.startsWith("--") !== true) return fields;
  for (const part of parts.slice(1, -1)) {
    const end = part.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const disposition = /^\s*content-disposition:\s*form-data\b(.*)$/im.exec(part.slice(0, end))?.[1] ?? "";
    const [, quoted, token] = /;\s*name=(?:"([^"]*)"|([^\s;"]+))/i.exec(disposition) ?? [];
    const name = quoted ?? token;
    if (name === undefined || /;\s*filename\*?=/i.test(disposition)) continue;
    const text = Buffer.from(name, "latin1").toString("utf8");
    if (!fields.has(text)) fields.set(text, Buffer.from(part.slice(end + 4), "latin1").toString("utf8"));
  }
  return fields;
}

/** A step into a value: a name, a position (from the end where it is negative), or every member. */
type Step = string | number | typeof EVERY;
const EVERY = Symbol("[*]");

/** `a.b[0]['c.d'][*].e`; `null` for what is no path (a form's `a[]`), which selects nothing in JSON. */
function parsePath(text: string): readonly Step[] | null {
  const steps: Step[] = [];
  const step = /(?:^|\.)([^.[\]]+)|\[(-?\d{1,9}|\*)\]|\['([^']*)'\]|\["([^"]*)"\]/y;
  while (step.lastIndex < text.length) {
    const match = step.exec(text);
    if (match === null) return null;
    const [, name, position, ...quoted] = match;
    if (name === "*" || position === "*") steps.push(EVERY);
    else steps.push(position === undefined ? (name ?? quoted[0] ?? quoted[1] ?? "") : Number(position));
  }
  return steps;
}

/** Values that `[*]` may select. */
const MAX_SELECTED = 1_000;

/** What the path leads to: one value, or with `[*]` a list of them; `undefined` where there are none. */
function select(root: unknown, path: readonly Step[]): BodyValue {
  let found: unknown[] = [root];
  let list = false;
  for (const step of path) {
    list ||= step === EVERY;
    found = found.flatMap((value) => into(value, step)).slice(0, MAX_SELECTED);
  }
  if (list) return found.length === 0 ? undefined : found;
  const [value] = found;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  return Array.isArray(value) ? (value as unknown[]) : undefined;
}

function into(value: unknown, step: Step): readonly unknown[] {
  if (step === EVERY && !Array.isArray(value)) {
    return typeof value === "object" && value !== null ? Object.values(value) : [];
  }
  if (step === EVERY) return value as readonly unknown[];
  if (typeof step === "number")
    return Array.isArray(value) ? value.slice(step, step === -1 ? undefined : step + 1) : [];
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, step)) return [];
  return [(value as Readonly<Record<string, unknown>>)[step]];
}

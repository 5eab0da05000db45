import type { RequestContext } from "../plugin/context.ts";
import { compileTextVariable } from "../plugin/variables.ts";
import type { LogBodies } from "./log-bodies.ts";

/** `log_format` of plugins: fields of an entry, compiled once. */

/** An object of an entry; without a prototype, because its names come from clients and configurations. */
export type LogObject = Record<string, unknown>;

export const logObject = (): LogObject => Object.create(null) as LogObject;

/** Writes the fields of a format into an entry. */
export type WriteFields = (ctx: RequestContext, entry: LogObject) => void;

/** The value of a field; `undefined`: the field is left out. */
type Read = (ctx: RequestContext) => unknown;

/** Objects within objects; deeper ones are left out. */
const MAX_DEPTH = 5;

/**
 * Compiles a format. A text that is a variable as a whole (`$host`) stands for its value, and is
 * left out where it has none; every other text stands for itself.
 */
export function compileLogFormat(format: Readonly<Record<string, unknown>>, bodies: LogBodies): WriteFields {
  return compileObject(format, bodies, 1);
}

/** Whether a format asks for this variable. */
export function namesVariable(format: unknown, name: string): boolean {
  if (typeof format === "string") return format === `$${name}`;
  return typeof format === "object" && format !== null && Object.values(format).some((one) => namesVariable(one, name));
}

function compileObject(format: Readonly<Record<string, unknown>>, bodies: LogBodies, depth: number): WriteFields {
  const fields: (readonly [name: string, read: Read])[] = [];
  for (const [name, value] of Object.entries(format)) {
    const read = compileValue(value, bodies, depth);
    if (read !== null) fields.push([name, read]);
  }
  return (ctx, entry) => {
    for (const [name, read] of fields) {
      const value = read(ctx);
      if (value !== undefined) entry[name] = value;
    }
  };
}

function compileValue(value: unknown, bodies: LogBodies, depth: number): Read | null {
  if (typeof value === "string") return value.startsWith("$") ? compileField(value.slice(1), bodies) : () => value;
  if (typeof value !== "object" || value === null) return () => value;
  if (depth >= MAX_DEPTH) return null;
  if (Array.isArray(value)) {
    const items = value.map((item) => compileValue(item, bodies, depth + 1));
    return (ctx) => items.map((read) => read?.(ctx) ?? null);
  }
  const write = compileObject(value as Readonly<Record<string, unknown>>, bodies, depth + 1);
  return (ctx) => {
    const inner = logObject();
    write(ctx, inner);
    return inner;
  };
}

function compileField(name: string, bodies: LogBodies): Read {
  if (name === "status") return (ctx) => ctx.status;
  if (name === "request_body") return (ctx) => bodies.request(ctx);
  if (name === "response_body" || name === "resp_body") return (ctx) => bodies.response(ctx);
  const read = compileTextVariable(name);
  // Numbers that plugins left stay numbers.
  return (ctx) => {
    const value = read(ctx);
    const left = value === undefined ? undefined : ctx.values.get(name);
    return typeof left === "number" ? left : value;
  };
}

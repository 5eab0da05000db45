import { compileAddresses } from "../lib/cidr.ts";
import { reasonOf } from "../lib/errors.ts";
import { bodyUseOf, compileBodyVariable, type BodyValue } from "./body-variables.ts";
import type { BodyUse, RequestContext } from "./context.ts";
import { decodeQuery } from "./query.ts";
import { compileSafeRegex, MAX_SUBJECT } from "./safe-regex.ts";
import { compileJudged, scalarText } from "./variables.ts";
import { textOfWire } from "./wire-text.ts";

/**
 * `vars` of routes and `_meta.filter` of plugins: expressions over variables, in
 * the form of lua-resty-expr (`[["arg_name", "==", "json"], ["OR", …, …]]`),
 * compiled to one function. What a comparison means follows Lua: a number as right
 * side compares numerically, everything else by type and value.
 */

/** Whether the expression holds for a request. */
export type Predicate = (ctx: RequestContext) => boolean;

/** A variable's value; `true` for an argument without `=`, other types from bodies in JSON. */
type Value = BodyValue;
type Read = (ctx: RequestContext) => Value;

/**
 * Compiles an expression; throws an Error with the reason where it cannot be
 * understood or could never hold.
 */
export function compileExpression(rules: readonly unknown[]): Predicate {
  if (rules.length === 0) return () => true;
  const [first] = rules;
  if (!Array.isArray(first) && logicOf(first) === null) throw new Error("rule should be wrapped inside brackets");
  return compileRules(rules);
}

/** What an expression looks into the body for. */
export function bodyUses(rules: unknown): readonly BodyUse[] {
  return variablesIn(rules).flatMap((name) => bodyUseOf(name) ?? []);
}

/** The names of the variables that an expression compares. */
export function variablesIn(rules: unknown): readonly string[] {
  if (!Array.isArray(rules)) return [];
  const [first] = rules as unknown[];
  return typeof first === "string" && logicOf(first) === null ? [first] : rules.flatMap(variablesIn);
}

type Logic = "AND" | "OR" | "!AND" | "!OR";

function logicOf(value: unknown): Logic | null {
  const upper = typeof value === "string" ? value.toUpperCase() : "";
  return upper === "AND" || upper === "OR" || upper === "!AND" || upper === "!OR" ? upper : null;
}

function compileRules(rules: unknown): Predicate {
  if (!Array.isArray(rules)) throw new Error("invalid expression");
  if (rules.length === 0) throw new Error("rule too short");
  const [first] = rules as unknown[];
  if (Array.isArray(first)) return combine("AND", rules.map(compileRules));
  const logic = logicOf(first);
  if (logic === null) return compileComparison(rules);
  if (rules.length <= 2) throw new Error("rule too short");
  return combine(logic, rules.slice(1).map(compileRules));
}

function combine(logic: Logic, parts: readonly Predicate[]): Predicate {
  switch (logic) {
    case "AND":
      return (ctx) => all(parts, ctx);
    case "OR":
      return (ctx) => any(parts, ctx);
    case "!AND":
      return (ctx) => !all(parts, ctx);
    case "!OR":
      return (ctx) => !any(parts, ctx);
  }
}

function all(parts: readonly Predicate[], ctx: RequestContext): boolean {
  for (const part of parts) if (!part(ctx)) return false;
  return true;
}

function any(parts: readonly Predicate[], ctx: RequestContext): boolean {
  for (const part of parts) if (part(ctx)) return true;
  return false;
}

/** `[variable, operator, value]`, `[variable, "!", operator, value]` or, for equality, `[variable, value]`. */
function compileComparison(parts: readonly unknown[]): Predicate {
  const negated = parts.length === 4;
  if (negated && parts[1] !== "!") throw new Error("bad 'not' expression");
  const [variable] = parts;
  const operator = negated ? parts[2] : parts[1];
  if (operator === undefined) throw new Error("invalid expression");
  const name = typeof operator === "string" ? operator.toLowerCase() : "";
  if (parts.length === 2) {
    if (Object.hasOwn(operators, name)) throw new Error(`missing value after operator '${name}'`);
    return test(readerOf(variable), equals(operator));
  }
  const compile = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (compile === undefined) throw new Error(`invalid operator '${String(operator)}'`);
  const matches = compile(negated ? parts[3] : parts[2]);
  const read = readerOf(variable);
  return negated ? (ctx) => !matches(read(ctx)) : test(read, matches);
}

function test(read: Read, matches: Matches): Predicate {
  return (ctx) => matches(read(ctx));
}

/** Whether a variable's value satisfies a comparison. */
type Matches = (value: Value) => boolean;

const operators: Readonly<Record<string, (right: unknown) => Matches>> = {
  "==": equals,
  "~=": (right) => {
    const same = equals(right);
    return (value) => !same(value);
  },
  ">": numeric((left, right) => left > right),
  ">=": numeric((left, right) => left >= right),
  "<": numeric((left, right) => left < right),
  "<=": numeric((left, right) => left <= right),
  "~~": (right) => find(right, ""),
  "~*": (right) => find(right, "i"),
  in: (right) => {
    if (!Array.isArray(right)) throw new Error("the value of operator 'in' must be a list");
    const members = new Set<unknown>(right);
    return (value) => value !== undefined && members.has(value);
  },
  // Only values from bodies are lists; nothing else has an element.
  has: (right) => (value) => Array.isArray(value) && value.includes(right),
  ipmatch: (right) => {
    const entries = Array.isArray(right) ? right : [right];
    for (const entry of entries) checkAddress(entry);
    const matcher = compileAddresses(entries as string[]);
    return (value) => typeof value === "string" && matcher.matches(value);
  },
};

function equals(right: unknown): Matches {
  if (typeof right === "number") return (value) => toNumber(value) === right;
  // `null` is Lua's nil: the variable has no value.
  const wanted = right === null ? undefined : right;
  return (value) => value === wanted;
}

function numeric(compare: (left: number, right: number) => boolean): (right: unknown) => Matches {
  return (right) => {
    const limit = typeof right === "number" ? right : toNumber(right);
    if (limit === undefined) return () => false;
    return (value) => {
      const number = toNumber(value);
      return number !== undefined && compare(number, limit);
    };
  };
}

/** What Lua's `tonumber` makes of a text: decimal or hexadecimal, blanks around it allowed. */
export function toNumber(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return undefined;
  const match = /^\s*([+-]?)(0x[0-9a-f]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*$/i.exec(value);
  if (match === null) return undefined;
  const number = Number(match[2]);
  return match[1] === "-" ? -number : number;
}

/** A regular expression found anywhere in the value, of which the first `MAX_SUBJECT` characters count. */
function find(right: unknown, flags: string): Matches {
  const pattern = typeof right === "number" ? String(right) : right;
  if (typeof pattern !== "string") throw new Error("a regular expression must be a string");
  let expression: RegExp;
  try {
    expression = compileSafeRegex(pattern, flags);
  } catch (thrown) {
    throw new Error(`regular expression ${pattern}: ${reasonOf(thrown)}`, { cause: thrown });
  }
  return (value) => {
    const text = scalarText(value);
    return text !== undefined && expression.test(text.slice(0, MAX_SUBJECT));
  };
}

function checkAddress(entry: unknown): void {
  try {
    compileAddresses([String(entry)]);
  } catch {
    throw new Error(`invalid ip address: ${String(entry)}`);
  }
}

/** The reader of a variable as conditions compare it. Throws an Error where its name is none. */
export function readerOf(variable: unknown): Read {
  if (typeof variable !== "string" || variable === "") throw new Error("the name of a variable must be a string");
  const inBody = compileBodyVariable(variable);
  if (inBody !== null) return inBody;
  const read = compileJudged(variable);
  if (!variable.startsWith("arg_")) return read;
  const name = variable.slice("arg_".length);
  return (ctx) => {
    const value = read(ctx);
    return value === "" && isBare(ctx.query, name) ? true : value;
  };
}

/** Whether the first argument of that name stands without `=`. */
function isBare(query: string, name: string): boolean {
  for (const pair of query.split("&")) {
    const equal = pair.indexOf("=");
    if (textOfWire(decodeQuery(equal < 0 ? pair : pair.slice(0, equal))) === name) return equal < 0;
  }
  return false;
}

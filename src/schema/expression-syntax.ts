import { isIP } from "node:net";

/**
 * What APISIX demands of an expression over variables (`vars` of routes, `case`,
 * `match` and the like of plugins) when it is written. It is less than this gateway
 * needs to run one: `compileExpression` says what cannot be run.
 */

/** Why APISIX refuses an expression, in its words; `null` where it takes it. */
export function expressionFault(rules: readonly unknown[]): string | null {
  if (rules.length === 0) return null;
  const [first] = rules;
  if (!Array.isArray(first) && !isLogic(first)) return "rule should be wrapped inside brackets";
  return ruleFault(rules);
}

const isLogic = (value: unknown): boolean => typeof value === "string" && /^!?(AND|OR)$/i.test(value);

function ruleFault(rule: unknown): string | null {
  if (!Array.isArray(rule)) return "invalid expression";
  if (rule.length === 0) return "rule too short";
  const [first] = rule as unknown[];
  if (Array.isArray(first)) return firstFault(rule);
  if (!isLogic(first)) return comparisonFault(rule);
  return rule.length <= 2 ? "rule too short" : firstFault(rule.slice(1));
}

function firstFault(rules: readonly unknown[]): string | null {
  for (const rule of rules) {
    const fault = ruleFault(rule);
    if (fault !== null) return fault;
  }
  return null;
}

const operators = new Set(["==", "~=", ">", ">=", "<", "<=", "~~", "~*", "in", "has", "ipmatch"]);

/** `[variable, operator, value]`, with a `!` before the operator where it is negated. */
function comparisonFault(rule: readonly unknown[]): string | null {
  if (rule.length < 2) return "invalid expression";
  const negated = rule[1] === "!";
  const operator = negated ? rule[2] : rule[1];
  if (operator === undefined) return null;
  const name = typeof operator === "string" ? operator.toLowerCase() : "";
  if (!operators.has(name)) return `invalid operator '${String(operator)}'`;
  return name === "ipmatch" ? addressFault(rule[negated ? 3 : 2]) : null;
}

function addressFault(value: unknown): string | null {
  const wrong = (Array.isArray(value) ? (value as unknown[]) : [value]).find((entry) => !isAddress(entry));
  return wrong === undefined ? null : `invalid ip address: ${String(wrong)}`;
}

function isAddress(value: unknown): boolean {
  if (typeof value !== "string") return false;
  const [, ip = "", bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(value) ?? [];
  const family = isIP(ip);
  return family !== 0 && (bits === undefined || Number(bits) <= (family === 4 ? 32 : 128));
}

import { compileSafeRegex, MAX_SUBJECT } from "../plugin/safe-regex.ts";

/**
 * Decides which origins may read answers: the value of the header that says so for
 * the Origin of a request, `null` where none is to be sent.
 */
export interface OriginRule {
  /** The answer depends on the request's Origin: caches must know (`Vary`). */
  readonly varies: boolean;
  readonly allow: (origin: string | undefined) => string | null;
}

/** Which origins a configuration names. `list` is `*`, `**`, or origins by comma. */
export interface OriginConf {
  readonly list: string | undefined;
  readonly patterns: readonly string[] | undefined;
  /** Further lists, which hold where `list` and `patterns` say no. */
  readonly more: readonly string[];
}

/** Compiles the rule; patterns, where there are any, take the place of the list. */
export function compileOrigins({ list, patterns, more }: OriginConf): OriginRule | null {
  const rules = [
    ...(patterns !== undefined ? [byPatterns(patterns)] : list === undefined ? [] : [byList(list)]),
    ...more.map(byList),
  ];
  const [first] = rules;
  if (first === undefined || rules.length === 1) return first ?? null;
  return {
    varies: rules.some((rule) => rule.varies),
    allow(origin) {
      for (const rule of rules) {
        const value = rule.allow(origin);
        if (value !== null) return value;
      }
      return null;
    },
  };
}

function byList(list: string): OriginRule {
  if (list === "*") return { varies: false, allow: () => "*" };
  if (list === "**") return { varies: true, allow: (origin) => origin ?? "*" };
  const origins = new Set(list.split(","));
  return { varies: true, allow: (origin) => (origin !== undefined && origins.has(origin) ? origin : null) };
}

function byPatterns(patterns: readonly string[]): OriginRule {
  const expressions = patterns.map((pattern) => compileSafeRegex(pattern));
  return {
    varies: true,
    allow(origin) {
      if (origin === undefined || origin.length > MAX_SUBJECT) return null;
      return expressions.some((expression) => expression.test(origin)) ? origin : null;
    },
  };
}

import type { RequestContext } from "../plugin/context.ts";
import { compileText } from "../plugin/variables.ts";

/** Reads the index that the entry of a request goes into. */
export type ReadIndex = (ctx: RequestContext) => string;

/**
 * Compiles `field.index`: `{…}` holds a time as strftime(3) writes it, in the machine's time zone
 * and at the moment of the entry, and `$name` and `${name}` are variables. Throws where a
 * conversion is not known.
 */
export function compileIndex(index: string): ReadIndex {
  const pieces = index
    .split(/(?<!\$)(\{[^}]*\})/)
    .map((text, i) => (i % 2 === 0 ? compileText(text).render : compileTime(text.slice(1, -1))));
  return (ctx) => pieces.map((read) => read(ctx)).join("");
}

function compileTime(format: string): ReadIndex {
  const conversions = [...format.matchAll(/%([^])|%$|[^%]+/g)].map(([part, letter]) => {
    if (!part.startsWith("%")) return () => part;
    const convert = Object.hasOwn(strftime, letter ?? "") ? strftime[letter ?? ""] : undefined;
    if (convert === undefined) throw new Error(`field.index: ${part} is no part of a time that is known`);
    return convert;
  });
  return () => {
    const now = new Date();
    return conversions.map((convert) => convert(now)).join("");
  };
}

const pad = (value: number, length = 2): string => String(value).padStart(length, "0");
const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const months = "January February March April May June July August September October November December".split(" ");
const yearDay = (date: Date): number =>
  Math.round(
    (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0)) / 86_400_000,
  );

/** Conversions of strftime(3), in the C locale. */
const strftime: Readonly<Record<string, (date: Date) => string>> = {
  "%": () => "%",
  Y: (date) => String(date.getFullYear()),
  y: (date) => pad(date.getFullYear() % 100),
  m: (date) => pad(date.getMonth() + 1),
  d: (date) => pad(date.getDate()),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(date.getHours() % 12 || 12),
  M: (date) => pad(date.getMinutes()),
  S: (date) => pad(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  j: (date) => pad(yearDay(date) + 1, 3),
  w: (date) => String(date.getDay()),
  U: (date) => pad(Math.floor((yearDay(date) + 7 - date.getDay()) / 7)),
  W: (date) => pad(Math.floor((yearDay(date) + 7 - ((date.getDay() + 6) % 7)) / 7)),
  a: (date) => days[date.getDay()]!.slice(0, 3),
  A: (date) => days[date.getDay()]!,
  b: (date) => months[date.getMonth()]!.slice(0, 3),
  B: (date) => months[date.getMonth()]!,
};

/**
 * Times as logs print them, in the machine's time zone. Texts are kept for the
 * second they were made in: a log asks for the same one thousands of times.
 */

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** `+0200`, or `+02:00` with `:` as `separator`. */
function zone(date: Date, separator: string): string {
  const minutes = -date.getTimezoneOffset();
  const absolute = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.trunc(absolute / 60))}${separator}${two(absolute % 60)}`;
}

const clock = (date: Date): string => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

/** Remembers the last text of `format` for as long as the second lasts. */
function perSecond(format: (date: Date) => string): (unixMs: number) => string {
  let second = -1;
  let text = "";
  return (unixMs) => {
    const now = Math.trunc(unixMs / 1000);
    if (now !== second) {
      second = now;
      text = format(new Date(unixMs));
    }
    return text;
  };
}

/** Common Log Format, nginx's `$time_local`: `23/Nov/2026:22:30:00 +0000`. */
export const localTime = perSecond(
  (date) => `${two(date.getDate())}/${months[date.getMonth()]}/${date.getFullYear()}:${clock(date)} ${zone(date, "")}`,
);

/** ISO 8601, nginx's `$time_iso8601`: `2026-11-23T22:30:00+00:00`. */
export const isoTime = perSecond(
  (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${clock(date)}${zone(date, ":")}`,
);

/** nginx's error log: `2026/11/23 22:30:00`. */
export const errorLogTime = perSecond(
  (date) => `${date.getFullYear()}/${two(date.getMonth() + 1)}/${two(date.getDate())} ${clock(date)}`,
);

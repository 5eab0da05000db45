/** Numbers and times as people read them. */

/**
 * A span of time: `12 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`, as the journal has it.
 * @param {number} ms
 * @returns {string}
 */
export function spanText(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  return longSpan(Math.round(ms / 1000));
}

/**
 * A span of time that goes on, in whole seconds.
 * @param {number} ms
 * @returns {string}
 */
export function lastingText(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return seconds < 60 ? `${seconds} s` : longSpan(seconds);
}

/**
 * @param {number} seconds
 * @returns {string}
 */
function longSpan(seconds) {
  if (seconds < 3600) return two(seconds, 60, "min", "s");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 24 * 60) return two(minutes, 60, "h", "min");
  return two(Math.floor(minutes / 60), 24, "d", "h");
}

/**
 * @param {number} amount
 * @param {number} size
 * @param {string} large
 * @param {string} small
 * @returns {string}
 */
function two(amount, size, large, small) {
  const rest = amount % size;
  return `${Math.floor(amount / size)} ${large}${rest === 0 ? "" : ` ${rest} ${small}`}`;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/**
 * A number with groups of thousands; small ones with a decimal.
 * @param {number} value
 * @returns {string}
 */
export function numberText(value) {
  return (Math.abs(value) < 10 ? tenth : whole).format(value);
}

/**
 * `1 worker`, `3 workers`.
 * @param {number} amount
 * @param {string} what
 * @returns {string}
 */
export function count(amount, what) {
  return `${whole.format(amount)} ${what}${amount === 1 ? "" : "s"}`;
}

/**
 * Unix milliseconds of a time as the API writes it; `NaN` where there is none.
 * @param {string | null} iso
 * @returns {number}
 */
export function timeOf(iso) {
  return iso === null ? NaN : Date.parse(iso);
}

const clock = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const dayAndClock = new Intl.DateTimeFormat("en", {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

/**
 * A time of the day where it is today's, else with its day, in the reader's time zone.
 * @param {number} at Unix milliseconds
 * @param {number} now Unix milliseconds
 * @returns {string}
 */
export function clockText(at, now) {
  return (new Date(at).toDateString() === new Date(now).toDateString() ? clock : dayAndClock).format(at);
}

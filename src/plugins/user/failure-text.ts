import { relative } from "node:path";
import { fileURLToPath } from "node:url";

/** What the URL of a version of a user's file has after the file's own: stack traces show it. */
export const VERSION_MARK = "?turnpike=";

/** Whether an error comes from the plugin of a user. */
export const isOfUser = (error: unknown): boolean =>
  error instanceof Error && (error.stack ?? "").includes(VERSION_MARK);

/**
 * Why code of a user failed, with file, line and column where the stack trace leads
 * through it: `/srv/gateway/plugins/hello.ts:12:9: boom`.
 *
 * @param prefix Files below are named relative to it.
 */
export function failureText(error: unknown, prefix = ""): string {
  if (!(error instanceof Error)) return String(error);
  const message = withoutMarks(error.message);
  const place = placeIn(error.stack ?? "");
  if (place === null) return message;
  const file = prefix === "" ? place.file : relative(prefix, place.file);
  return `${file}:${place.lines}: ${message}`;
}

/** Everything that is known of an error of a plugin, for the log. */
export function failureReport(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? error.message;
  return isOfUser(error) ? `${failureText(error)}; ${withoutMarks(stack)}` : stack;
}

/** A text about versioned files as people read it. */
function withoutMarks(text: string): string {
  return text.replaceAll(/\?turnpike=[^\s:?)]*/g, "");
}

/** Where a stack trace or a syntax error first names a versioned file. */
function placeIn(stack: string): { readonly file: string; readonly lines: string } | null {
  const found = /(file:\/\/[^\s()?]+)\?turnpike=[^\s:]*:(\d+(?::\d+)?)/.exec(stack);
  return found === null ? null : { file: fileURLToPath(found[1] ?? ""), lines: found[2] ?? "" };
}

import { writeSync } from "node:fs";
import { reasonOf } from "../lib/errors.ts";
import { errorLogTime } from "../lib/log-time.ts";
import type { LogSettings } from "../settings/settings.ts";
import { openAppendFile } from "./append-file.ts";

/**
 * The error log: one readable line per message, written at once, so that the last
 * words of a dying thread are on disk.
 *
 *     2026/11/23 22:30:00 [warn] worker 3: upstream 1: no node could be asked
 *
 * Messages are text made by the caller; nothing is dumped, so what must not be seen
 * (keys, credentials, bodies) is never passed in. Control characters are escaped,
 * and a line never exceeds 4,096 bytes, which the system appends in one piece.
 */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  notice(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** Whether messages of this level are written; for messages that are costly to make. */
  enabled(level: LogLevel): boolean;
  /** Opens the file anew, after a rotation; where that fails the old one goes on, with an error in it. */
  reopen(): void;
  close(): void;
}

/** nginx's levels, the most verbose first. */
const levels = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"] as const;

/** A level of `nginx_config.error_log_level`. */
export type LogLevel = (typeof levels)[number];

/** Bytes of a line, newline included. */
const MAX_LINE = 4096;
const CUT = "…\n";

/** Opens the error log for a thread; `name` stands in every line (`worker 3`). Throws when the file cannot be opened. */
export function createLogger(settings: Pick<LogSettings, "errorLog" | "level">, name: string): Logger {
  const file = openAppendFile(settings.errorLog);
  const threshold = levels.indexOf(settings.level);
  const writer = (level: LogLevel): ((message: string) => void) => {
    if (levels.indexOf(level) < threshold) return () => {};
    return (message) =>
      appendLine(file.fd, `${errorLogTime(Date.now())} [${level}] ${name}: ${escapeControls(message)}\n`);
  };
  const error = writer("error");
  return {
    debug: writer("debug"),
    info: writer("info"),
    notice: writer("notice"),
    warn: writer("warn"),
    error,
    enabled: (level) => levels.indexOf(level) >= threshold,
    reopen() {
      try {
        file.reopen();
      } catch (thrown) {
        error(`error log ${file.path} was not reopened: ${reasonOf(thrown)}`);
      }
    },
    close: () => file.close(),
  };
}

/** A message is one line, whatever a client or an origin put into it. */
function escapeControls(message: string): string {
  // oxlint-disable-next-line no-control-regex
  return message.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) =>
    character === "\n" ? "\\n" : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function appendLine(fd: number, line: string): void {
  let bytes = Buffer.from(line);
  if (bytes.length > MAX_LINE) {
    const cut = Buffer.from(CUT);
    bytes = Buffer.concat([bytes.subarray(0, MAX_LINE - cut.length), cut]);
  }
  writeOrGiveUp(fd, bytes, 0);
}

/** A log that cannot be written (disk full, reader gone) must not stop the gateway; a full pipe gets a second chance. */
function writeOrGiveUp(fd: number, bytes: Uint8Array, attempt: number): void {
  try {
    writeSync(fd, bytes);
  } catch (thrown) {
    const full = (thrown as NodeJS.ErrnoException).code === "EAGAIN";
    if (full && attempt < 10) setTimeout(() => writeOrGiveUp(fd, bytes, attempt + 1), 20).unref();
  }
}

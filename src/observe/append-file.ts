import { closeSync, fstatSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";

/**
 * A log file opened for appending. Every thread opens its own: with O_APPEND the
 * kernel puts each write at the end, so lines of several threads do not mix.
 */
export interface AppendFile {
  readonly path: string;
  /** Changes with `reopen`. */
  readonly fd: number;
  /** Pipes and terminals take up to 4,096 bytes (PIPE_BUF) in one piece, files any number. */
  readonly atomicBytes: number;
  /** Opens the path anew, after a rotation renamed the file; keeps the old one if that fails, and throws. */
  reopen(): void;
  close(): void;
}

const PIPE_BUF = 4096;
const standard: Readonly<Record<string, number>> = { "/dev/stdout": 1, "/dev/stderr": 2 };

/**
 * Opens `path`, making its directory. `/dev/stdout` and `/dev/stderr` are the
 * descriptors 1 and 2, which works for sockets too (a journal). Throws the
 * system's error.
 */
export function openAppendFile(path: string): AppendFile {
  const inherited = standard[path];
  const open = (): number => {
    if (inherited !== undefined) return inherited;
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, "a", 0o644);
  };
  const close = (fd: number): void => {
    if (inherited === undefined) closeSync(fd);
  };
  let fd = open();
  return {
    path,
    get fd() {
      return fd;
    },
    atomicBytes: fstatSync(fd).isFile() ? Number.MAX_SAFE_INTEGER : PIPE_BUF,
    reopen() {
      const fresh = open();
      close(fd);
      fd = fresh;
    },
    close() {
      close(fd);
    },
  };
}

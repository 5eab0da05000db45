import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

/** Programs that the machine must have, by the Debian package that brings them. */
export const packages = {
  nginx: "nginx-light",
  haproxy: "haproxy",
  wrk: "wrk",
  h2load: "nghttp2-client",
  curl: "curl",
  taskset: "util-linux",
  setpriv: "util-linux",
} as const;
export type Tool = keyof typeof packages;

/** The repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url));
/** The pinned Node. */
export const node = `${root}node_modules/node/bin/node`;
/** The command under test. */
export const turnpike = `${root}bin/turnpike`;

/** Where the program is; `null` where it is not installed. */
export function pathOf(tool: Tool): string | null {
  // Debian keeps servers where the PATH of an ordinary user does not look.
  for (const directory of [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"]) {
    try {
      accessSync(`${directory}/${tool}`, constants.X_OK);
      return `${directory}/${tool}`;
    } catch {
      continue;
    }
  }
  return null;
}

/** Where the program is; throws an error that says how to get it. */
export function need(tool: Tool): string {
  const path = pathOf(tool);
  if (path === null) throw new Error(`${tool} is not installed (Debian: apt-get install ${packages[tool]})`);
  return path;
}

/** One line about what was measured, on what, and when. */
export function describeRun(): string {
  const version = (tool: Tool, flag: string, pattern: RegExp): string => {
    const path = pathOf(tool);
    return path === null ? `no ${tool}` : `${tool} ${pattern.exec(printed(path, flag))?.[1] ?? "?"}`;
  };
  return [
    new Date().toISOString().slice(0, 10),
    `Node ${process.versions.node}`,
    version("nginx", "-v", /nginx\/([\d.]+)/),
    version("haproxy", "-v", /version ([\d.]+)/),
    `${cpus().length} cores of ${cpus()[0]?.model ?? "an unknown CPU"}`,
  ].join(", ");
}

/** nginx prints its version on standard error. */
function printed(path: string, flag: string): string {
  return execFileSync("/bin/sh", ["-c", `"${path}" ${flag} 2>&1`], { encoding: "utf8" });
}

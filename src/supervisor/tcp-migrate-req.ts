import { readFileSync, writeFileSync } from "node:fs";

const file = "/proc/sys/net/ipv4/tcp_migrate_req";

/**
 * Whether the kernel hands connections that wait in a closed listener's queue to another
 * listener of the same port (Linux 5.14 and later).
 */
export function readMigrateReq(): boolean {
  try {
    return readFileSync(file, "utf8").trim() === "1";
  } catch {
    return false;
  }
}

/** Turns it on for this network namespace; returns the reason where that is not allowed. */
export function setMigrateReq(): string | null {
  if (readMigrateReq()) return null;
  try {
    writeFileSync(file, "1");
    return null;
  } catch (error) {
    return `apisix.tcp_migrate_req: ${file} cannot be set: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
  }
}

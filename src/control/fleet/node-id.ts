import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { reasonOf } from "../../lib/errors.ts";

/**
 * What the node in `prefix` is called among others, in data/node.id: kept from start to
 * start, so that a restarted node takes its old place. Where it cannot be kept the node
 * gets a new one each time.
 */
export function keptNodeId(prefix: string, log: { warn(message: string): void }): string {
  const file = join(prefix, "data", "node.id");
  const kept = read(file);
  if (kept !== null) return kept;
  const id = randomUUID();
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${id}\n`, { mode: 0o644 });
  } catch (error) {
    log.warn(`${file} cannot be written, the node has another id after a restart: ${reasonOf(error)}`);
  }
  return id;
}

function read(file: string): string | null {
  try {
    const text = readFileSync(file, "utf8").trim();
    return /^[\w.-]{1,100}$/.test(text) ? text : null;
  } catch {
    return null;
  }
}

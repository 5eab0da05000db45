import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { reasonOf, TurnpikeError } from "../../lib/errors.ts";

/** A key that this node made for itself. */
export interface GeneratedKey {
  readonly key: string;
  /** Whether it has been made just now. */
  readonly fresh: boolean;
}

/**
 * Reads the generated key, or makes one where the file is not there: 32 hexadecimal
 * digits, readable by the owner alone (mode 0600). A file that is there is never
 * overwritten. Throws `SETTINGS_INVALID` where it can be neither read nor made, or
 * holds no key; the reason names the file, never its content.
 */
export function readGeneratedKey(file: string): GeneratedKey {
  try {
    mkdirSync(dirname(file), { recursive: true });
    const created = createKeyFile(file);
    if (created !== null) return { key: created, fresh: true };
    const key = readFileSync(file, "utf8").trim();
    if (!/^[\x21-\x7e]{16,256}$/.test(key)) {
      throw new Error("expected one line of 16 to 256 visible characters; delete the file to get a new key");
    }
    return { key, fresh: false };
  } catch (error) {
    throw new TurnpikeError("SETTINGS_INVALID", `key of the Admin API in ${file}: ${reasonOf(error)}`, error);
  }
}

/** `null`: the file is there already. */
function createKeyFile(file: string): string | null {
  if (existsSync(file)) return null;
  const key = randomBytes(16).toString("hex");
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    writeFileSync(draft, `${key}\n`, { mode: 0o600, flag: "wx", flush: true });
    // A link is made where nothing is, and whole; another process may have been faster.
    linkSync(draft, file);
    return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return null;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

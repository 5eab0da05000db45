import { resolve } from "node:path";
import { isPath } from "../../plugins/user/plugin-ids.ts";

/** The files that are known of an entry before it was ever read. */
export function entryPaths(entry: string, prefix: string): readonly string[] {
  return isPath(entry) ? [resolve(prefix, entry)] : [];
}

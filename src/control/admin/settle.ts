import type { LoadedView } from "../../store/loaded-view.ts";
import type { AdminKind } from "./resource-kinds.ts";

/** How long a write waits until this node has loaded it. */
const SETTLE_LIMIT_MS = 1000;
/** Characters of a reason in a header. */
const MAX_REASON = 512;

/** Headers for a write that the store took as `revision`; the resource is there afterwards. */
export async function settleWrite(
  loaded: LoadedView,
  kind: AdminKind,
  id: string,
  revision: number,
): Promise<Readonly<Record<string, string>>> {
  await loaded.settled(revision, SETTLE_LIMIT_MS);
  return { "X-Turnpike-Revision": String(revision), ...rejectionHeader(loaded, kind, id) };
}

/** Headers for a deletion. */
export async function settleDelete(loaded: LoadedView, revision: number): Promise<Readonly<Record<string, string>>> {
  await loaded.settled(revision, SETTLE_LIMIT_MS);
  return { "X-Turnpike-Revision": String(revision) };
}

/** `X-Turnpike-Rejected` where this node does not serve the resource as it is stored; secrets in it are masked already. */
export function rejectionHeader(loaded: LoadedView, kind: AdminKind, id: string): Readonly<Record<string, string>> {
  const rejection = loaded.rejection(kind, id);
  return rejection === null ? {} : { "X-Turnpike-Rejected": headerSafe(rejection.error) };
}

/** Visible ASCII on one line, of bounded length. */
function headerSafe(text: string): string {
  const safe = text
    .slice(0, MAX_REASON)
    .replaceAll(/\s+/g, " ")
    .replaceAll(/[^\x20-\x7e]/g, "?");
  return text.length > MAX_REASON ? `${safe}...` : safe;
}

import type { IncomingHttpHeaders } from "node:http";
import type { StoredValue } from "../../source/repository.ts";
import { refuse } from "./answers.ts";
import type { AdminAnswer } from "./exchange.ts";

/** What a write demands of the resource as it is (RFC 9110, section 13). */
export type Precondition =
  | { readonly kind: "none" }
  /** `If-Match: *`. */
  | { readonly kind: "exists" }
  /** `If-None-Match: *`. */
  | { readonly kind: "absent" }
  /** `If-Match: 17`, also written `"17"`: the `modifiedIndex`. */
  | { readonly kind: "revision"; readonly revision: number };

/** Reads `If-Match` and `If-None-Match`; what to answer where they cannot be read. */
export function parsePrecondition(headers: IncomingHttpHeaders): Precondition | AdminAnswer {
  const match = headers["if-match"];
  const noneMatch = headers["if-none-match"];
  if (match !== undefined && noneMatch !== undefined) {
    return refuse(400, "If-Match and If-None-Match exclude each other");
  }
  if (noneMatch !== undefined) {
    return noneMatch.trim() === "*" ? { kind: "absent" } : refuse(400, "If-None-Match: only * is known for writes");
  }
  if (match === undefined) return { kind: "none" };
  if (match.trim() === "*") return { kind: "exists" };
  const revision = /^\s*(?:"(\d{1,15})"|(\d{1,15}))\s*$/.exec(match);
  if (revision === null) return refuse(400, "If-Match: expected * or one modifiedIndex");
  return { kind: "revision", revision: Number(revision[1] ?? revision[2]) };
}

export const isAnswer = (outcome: Precondition | AdminAnswer): outcome is AdminAnswer => "status" in outcome;

/** Whether `current` meets it. */
export function holds(precondition: Precondition, current: StoredValue | null): boolean {
  switch (precondition.kind) {
    case "none":
      return true;
    case "exists":
      return current !== null;
    case "absent":
      return current === null;
    case "revision":
      return current?.modRevision === precondition.revision;
  }
}

/** The revision that a write must find (0: none); `undefined`: any. */
export function expectedRevision(precondition: Precondition, current: StoredValue | null): number | undefined {
  return precondition.kind === "none" ? undefined : (current?.modRevision ?? 0);
}

/** 412, with what is there. */
export function conflict(key: string, current: StoredValue | null): AdminAnswer {
  const state = current === null ? "it does not exist" : `its modifiedIndex is ${current.modRevision}`;
  return {
    status: 412,
    body: {
      error_msg: `precondition failed for ${key}: ${state}`,
      current: current === null ? null : { modifiedIndex: current.modRevision },
    },
  };
}

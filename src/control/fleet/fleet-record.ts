import type { FleetNode, FleetRejection } from "../../messages/messages.ts";
import type { Rejection } from "../../schema/kinds.ts";

/** How much a node tells of what it rejects: a record stays small. */
const MAX_REJECTED = 20;
const MAX_ERROR = 300;
/** Characters of a record that are read at all. */
const MAX_RECORD = 64 * 1024;

/** Rejections as they stand in a record. */
export function shortRejections(rejected: readonly Rejection[]): readonly FleetRejection[] {
  return rejected
    .slice(0, MAX_REJECTED)
    .map(({ kind, id, error, revision }) => ({ kind, id, error: error.slice(0, MAX_ERROR), revision }));
}

/** A record as it lies in etcd; field names are those of `GET /status/fleet`. */
export function formatRecord(node: FleetNode): string {
  const { id, name, version, role, revision, hash, ready, startedAt, rejected, rejectedCount } = node;
  return JSON.stringify({
    id,
    name,
    version,
    role,
    revision,
    hash,
    ready,
    started_at: startedAt,
    rejected,
    rejected_count: rejectedCount,
  });
}

/** The node of a record under its id; `null` where the text is none: other versions and other programs write there too. */
export function parseRecord(id: string, text: string): FleetNode | null {
  if (text.length > MAX_RECORD) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const record = value as Readonly<Record<string, unknown>>;
  const { revision, hash, rejected } = record;
  if (!isCount(revision) || typeof hash !== "string" || !/^[0-9a-f]{16}$/.test(hash)) return null;
  const list = Array.isArray(rejected) ? rejected.slice(0, MAX_REJECTED).filter(isRejection) : [];
  return {
    id,
    name: textOf(record.name, id),
    version: textOf(record.version, ""),
    role: textOf(record.role, ""),
    revision,
    hash,
    ready: record.ready === true,
    startedAt: isCount(record.started_at) ? record.started_at : 0,
    rejected: list.map(({ kind, id, error, revision }) => ({ kind, id, error: error.slice(0, MAX_ERROR), revision })),
    rejectedCount: isCount(record.rejected_count) ? record.rejected_count : list.length,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isRejection(value: unknown): value is FleetRejection {
  if (typeof value !== "object" || value === null) return false;
  const { kind, id, error, revision } = value as Readonly<Record<string, unknown>>;
  return typeof kind === "string" && typeof id === "string" && typeof error === "string" && isCount(revision);
}

function textOf(value: unknown, fallback: string): string {
  return typeof value === "string" ? value.slice(0, 200) : fallback;
}

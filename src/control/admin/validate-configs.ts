import { checkPush, type PushFault } from "../../store/check-push.ts";
import type { ResourceCheck } from "../../store/check-resource.ts";
import { mergePush } from "../../store/merge-push.ts";
import { refuse } from "./answers.ts";
import { readConfigsBody } from "./configs-body.ts";
import { contentFault } from "./content-rules.ts";
import type { AdminAnswer, AdminRequest } from "./exchange.ts";

/** Rejections and faults that one answer lists. */
export const MAX_LISTED = 1_000;

/** Faults as answers about whole configurations list them. */
export const faultRows = (faults: readonly PushFault[]): object[] =>
  faults.slice(0, MAX_LISTED).map(({ kind, id, index, error }) => ({
    resource_type: kind,
    resource_id: id,
    index,
    error,
  }));

const INVALID = "Configuration validation failed";

/**
 * Answers `POST configs/validate`, which every node with an Admin API has: everything
 * that is wrong with a whole configuration. Neither what is stored nor what this
 * version can serve is looked at; nothing is taken over.
 */
export function validateConfigs(check: ResourceCheck, request: AdminRequest): AdminAnswer {
  const body = readConfigsBody(request.body, request.headers["content-type"]);
  if ("error" in body) {
    // APISIX's form for what is well written and no configuration.
    if (body.parsed) return refuse(400, INVALID, { errors: [{ error: body.error }] });
    return refuse(400, body.error);
  }
  // Versions are not compared: against nothing, every one will do.
  const { lists, faults } = mergePush(raised(body.value), null, () => false);
  const shape = faults.map(({ kind, error, more }) => ({ resource_type: kind, error: error + more }));
  const errors = [...shape, ...faultRows(checkPush(lists, check, () => false, contentFault))];
  if (errors.length === 0) return { status: 200, body: {}, headers: { "Content-Type": "application/json" } };
  return refuse(400, INVALID, { errors });
}

/** The body without versions that are numbers, so that none is too low or stands for "unchanged". */
function raised(body: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(body).filter(([name, value]) => !(name.endsWith("_conf_version") && typeof value === "number")),
  );
}

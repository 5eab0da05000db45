import type { StoredValue } from "../../source/repository.ts";
import { answerForm } from "./answer-form.ts";
import { keyNotFound, refuse } from "./answers.ts";
import { checkConf } from "./check-conf.ts";
import type { ResourceDeps } from "./deps.ts";
import type { AdminAnswer, AdminRequest } from "./exchange.ts";
import { parseTtl } from "./lifetime.ts";
import { isFields, mergePatch, patchAt } from "./merge-patch.ts";
import { conflict, holds, isAnswer, parsePrecondition } from "./precondition.ts";
import { fullId, storeKey, type ResourceAddress } from "./resource-address.ts";
import { settleWrite } from "./settle.ts";
import { parseStored } from "./shown-resource.ts";
import { stampPatched } from "./times.ts";

/** Attempts where others write the same resource at the same time. */
const MAX_ATTEMPTS = 16;

/**
 * PATCH: merges into what is there, or replaces what a sub path names. It is read,
 * changed and written where nobody else has written meanwhile, else done again, so
 * that of patches sent at the same time none is lost.
 */
export async function patchResource(
  deps: ResourceDeps,
  address: ResourceAddress,
  { query, headers }: AdminRequest,
  patch: unknown,
): Promise<AdminAnswer> {
  const { id, subPath } = address;
  const { kind } = address.kind;
  if (id === null) return refuse(400, kind === "secrets" ? "no secret id" : address.kind.missing);
  if (patch === undefined) return refuse(400, "missing new configuration");
  if (subPath.length === 0 && (typeof patch !== "object" || patch === null))
    return refuse(400, "invalid configuration");
  const ttl = parseTtl(query);
  if (typeof ttl === "string") return refuse(400, ttl);
  const precondition = parsePrecondition(headers);
  if (isAnswer(precondition)) return precondition;
  const key = storeKey(address, id);
  let current = await deps.repository.get(key);
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    if (!holds(precondition, current)) return conflict(`${deps.prefix}/${key}`, current);
    if (current === null) return keyNotFound;
    const patched = await patchStored(deps, address, current, patch);
    if ("status" in patched) return patched;
    const outcome = await deps.repository.put(key, JSON.stringify(patched.value), {
      ifRevision: current.modRevision,
      ...(ttl === undefined ? {} : { ttl }),
    });
    if (outcome.written) {
      return {
        status: 200,
        body: answerForm(deps.version).written("compareAndSwap", `${deps.prefix}/${key}`, patched.value, ttl),
        headers: await settleWrite(deps.loaded, kind, fullId(address, id), outcome.revision),
      };
    }
    current = outcome.current;
  }
  return refuse(503, "too many writes to this resource at once");
}

/** What is to be stored instead of `stored`, encrypted. */
async function patchStored(
  deps: ResourceDeps,
  address: ResourceAddress,
  stored: StoredValue,
  patch: unknown,
): Promise<{ readonly value: unknown } | AdminAnswer> {
  const { kind } = address.kind;
  const parsed = deps.cipher.decrypt(kind, parseStored(stored));
  const before = isFields(parsed) ? parsed : {};
  const { subPath } = address;
  if (subPath.length === 0 && Array.isArray(patch)) return refuse(400, "invalid configuration: a list is no patch");
  const patched = subPath.length === 0 ? { value: mergePatch(before, patch) } : patchAt(before, subPath, patch);
  if ("error" in patched) return refuse(400, patched.error);
  const checked = await checkConf(deps, patched.value, { address, generated: null, timesAllowed: true });
  if ("error" in checked) return refuse(400, checked.error);
  const stamped = stampPatched(checked.value, subPath.length === 0 ? patch : null, deps.now());
  return { value: deps.cipher.encrypt(kind, address.kind.timed ? stamped : checked.value) };
}

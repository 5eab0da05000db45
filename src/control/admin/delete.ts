import { answerForm } from "./answer-form.ts";
import { keyNotFound, refuse } from "./answers.ts";
import type { ResourceDeps } from "./deps.ts";
import type { AdminAnswer, AdminRequest } from "./exchange.ts";
import { conflict, expectedRevision, holds, isAnswer, parsePrecondition } from "./precondition.ts";
import { fullId, storeKey, type ResourceAddress } from "./resource-address.ts";
import { settleDelete } from "./settle.ts";
import { findUse } from "./uses.ts";

/** Attempts where the resource must be there but others write it at the same time. */
const MAX_ATTEMPTS = 16;

/** DELETE; what is in use stays unless `force=true`. A consumer takes its credentials along. */
export async function deleteResource(
  deps: ResourceDeps,
  address: ResourceAddress,
  { query, headers }: AdminRequest,
): Promise<AdminAnswer> {
  const { id } = address;
  const { kind } = address.kind;
  if (id === null) return refuse(400, address.kind.missing);
  const precondition = parsePrecondition(headers);
  if (isAnswer(precondition)) return precondition;
  const { repository } = deps;
  const key = storeKey(address, id);
  let current = await repository.get(key);
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    if (!holds(precondition, current)) return conflict(`${deps.prefix}/${key}`, current);
    if (current === null) return keyNotFound;
    const use = query.get("force") === "true" ? null : await findUse(repository, kind, fullId(address, id));
    if (use !== null) return refuse(400, use);
    // Credentials first: should the rest fail, the consumer is there to be deleted again.
    if (kind === "consumers") await deleteCredentials(deps, id);
    const ifRevision = expectedRevision(precondition, current);
    const outcome = await repository.delete(key, ifRevision === undefined ? {} : { ifRevision });
    if (outcome.written) {
      if (outcome.previous === null) return keyNotFound;
      return {
        status: 200,
        body: answerForm(deps.version).deleted(`${deps.prefix}/${key}`),
        headers: await settleDelete(deps.loaded, outcome.revision),
      };
    }
    current = outcome.current;
  }
  return refuse(503, "too many writes to this resource at once");
}

async function deleteCredentials({ repository }: ResourceDeps, username: string): Promise<void> {
  const { values } = await repository.list(`consumers/${username}/credentials/`);
  for (const { key } of values) await repository.delete(key);
}

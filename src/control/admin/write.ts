import { randomInt } from "node:crypto";
import { canonicalJson } from "../../lib/canonical-json.ts";
import { giveWay } from "../../lib/give-way.ts";
import type { StoredValue } from "../../source/repository.ts";
import { answerForm, type WriteAction } from "./answer-form.ts";
import { refuse } from "./answers.ts";
import { checkConf } from "./check-conf.ts";
import type { ResourceDeps } from "./deps.ts";
import type { AdminAnswer, AdminRequest } from "./exchange.ts";
import { parseTtl } from "./lifetime.ts";
import { isFields } from "./merge-patch.ts";
import { conflict, expectedRevision, holds, isAnswer, parsePrecondition, type Precondition } from "./precondition.ts";
import { fullId, storeKey, type ResourceAddress } from "./resource-address.ts";
import { settleWrite } from "./settle.ts";
import { parseStored } from "./shown-resource.ts";
import { stampTimes } from "./times.ts";

/** Attempts where a condition holds but somebody else writes at the same time. */
const MAX_ATTEMPTS = 16;

/** PUT: creates or replaces. */
export async function putResource(
  deps: ResourceDeps,
  address: ResourceAddress,
  request: AdminRequest,
  conf: unknown,
): Promise<AdminAnswer> {
  if (conf === undefined) return refuse(400, "missing configurations");
  const checked = await checkConf(deps, conf, { address, generated: null, timesAllowed: false });
  if ("error" in checked) return refuse(400, checked.error);
  const { id, value } = checked;
  if (address.kind.kind === "credentials") {
    const [username] = address.scope.split("/");
    if ((await deps.repository.get(`consumers/${username}`)) === null) return refuse(404, "consumer not found");
  }
  return await writeConf(deps, address, request, { action: "set", id, value });
}

/** POST: creates under an id of our own. */
export async function postResource(
  deps: ResourceDeps,
  address: ResourceAddress,
  request: AdminRequest,
  conf: unknown,
): Promise<AdminAnswer> {
  if (conf === undefined) return refuse(400, "missing configurations");
  const generated = generateId(deps.now());
  const checked = await checkConf(deps, conf, { address, generated, timesAllowed: false });
  if ("error" in checked) return refuse(400, checked.error);
  return await writeConf(deps, address, request, { action: "create", id: checked.id, value: checked.value });
}

/** Twenty digits, as APISIX's: later ones are greater. */
function generateId(now: number): string {
  return `${String(now).padStart(14, "0")}${String(randomInt(1_000_000)).padStart(6, "0")}`;
}

interface Writing {
  readonly action: WriteAction;
  readonly id: string;
  /** Clear text. */
  readonly value: Readonly<Record<string, unknown>>;
}

async function writeConf(
  deps: ResourceDeps,
  address: ResourceAddress,
  { query, headers }: AdminRequest,
  writing: Writing,
): Promise<AdminAnswer> {
  giveWay();
  const ttl = parseTtl(query);
  if (typeof ttl === "string") return refuse(400, ttl);
  const given = parsePrecondition(headers);
  if (isAnswer(given)) return given;
  // What POST makes must be new.
  const precondition: Precondition = writing.action === "create" && given.kind === "none" ? { kind: "absent" } : given;
  const { kind } = address.kind;
  const key = storeKey(address, writing.id);
  let current = await deps.repository.get(key);
  for (let attempt = 1; ; attempt++) {
    const stamped = address.kind.timed
      ? stampTimes(writing.value, current === null ? null : parseStored(current), deps.now())
      : writing.value;
    const value = deps.cipher.encrypt(kind, stamped);
    if (!holds(precondition, current)) {
      if (current === null || !alreadyWritten(current, value)) return conflict(`${deps.prefix}/${key}`, current);
      return await answer(deps, address, writing, key, {
        value: parseStored(current),
        revision: current.modRevision,
        status: 200,
        ttl,
      });
    }
    const ifRevision = expectedRevision(precondition, current);
    const outcome = await deps.repository.put(key, JSON.stringify(value), {
      ...(ifRevision === undefined ? {} : { ifRevision }),
      ...(ttl === undefined ? {} : { ttl }),
    });
    if (outcome.written) {
      const status = outcome.previous === null ? 201 : 200;
      return await answer(deps, address, writing, key, { value, revision: outcome.revision, status, ttl });
    }
    current = outcome.current;
    if (attempt === MAX_ATTEMPTS) return refuse(503, "too many writes to this resource at once");
  }
}

/**
 * A writer that did not get its answer tries again with the revision that it had
 * (RFC 9110, section 13.1.1, allows success where the change has been made already).
 */
function alreadyWritten(current: StoredValue, value: unknown): boolean {
  return isFields(value) && contentOf(parseStored(current)) === contentOf(value);
}

function contentOf(value: unknown): string {
  if (!isFields(value)) return "";
  const { create_time: _created, update_time: _updated, ...content } = value;
  return canonicalJson(content);
}

async function answer(
  deps: ResourceDeps,
  address: ResourceAddress,
  { action, id }: Writing,
  key: string,
  done: {
    readonly value: unknown;
    readonly revision: number;
    readonly status: number;
    readonly ttl: number | undefined;
  },
): Promise<AdminAnswer> {
  return {
    status: done.status,
    body: answerForm(deps.version).written(action, `${deps.prefix}/${key}`, done.value, done.ttl),
    headers: await settleWrite(deps.loaded, address.kind.kind, fullId(address, id), done.revision),
  };
}

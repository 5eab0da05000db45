import type { Rejection } from "../../schema/kinds.ts";
import { kinds } from "../../schema/kinds.ts";
import type { ApiSource, PushedConfiguration } from "../../source/api-driven.ts";
import { formatYaml } from "../../source/format-yaml.ts";
import type { Laggard } from "../../board/laggards.ts";
import { checkPush, type PushFault } from "../../store/check-push.ts";
import type { ResourceCheck } from "../../store/check-resource.ts";
import { identify } from "../../store/identify.ts";
import { mergePush, type MergedPush } from "../../store/merge-push.ts";
import { isKind } from "../../store/stage.ts";
import { refuse } from "./answers.ts";
import { readConfigsBody } from "./configs-body.ts";
import { contentFault } from "./content-rules.ts";
import type { AdminAnswer, AdminHandler, AdminRequest } from "./exchange.ts";
import { faultRows, MAX_LISTED, validateConfigs } from "./validate-configs.ts";

const MAX_WAIT_MS = 600_000;

/** What the handler needs of the control thread. */
export interface ConfigsDeps {
  readonly source: ApiSource;
  /** What resources are checked with. */
  readonly check: ResourceCheck;
  /** Resolves when everything that was pushed so far has been loaded: secrets may have to be fetched first. */
  idle(): Promise<void>;
  /** What control has loaded. */
  loaded(): { readonly revision: number; readonly rejected: readonly Rejection[] };
  /** Resolves once every worker has applied the revision, or when the time is over. */
  waitApplied(revision: number, limitMs: number): Promise<AppliedOutcome>;
  /** Unix milliseconds. */
  now(): number;
}

/** How a wait for the workers ended. */
export interface AppliedOutcome {
  readonly applied: boolean;
  /** The workers that are not there yet; empty where `applied`. */
  readonly laggards: readonly Laggard[];
}

/**
 * Answers what is below `configs`, for API-driven nodes: the whole configuration is read
 * and replaced there.
 *
 * - `GET`, `HEAD /apisix/admin/configs`: what was pushed, in JSON or YAML (`Accept`)
 * - `PUT /apisix/admin/configs`: replaces it; `?partial=true`, `?wait=<ms>`
 * - `POST /apisix/admin/configs/validate`: says everything that is wrong with a configuration
 */
export function buildConfigsHandler(deps: ConfigsDeps): AdminHandler {
  return (request) => {
    const [, action, ...rest] = request.path;
    if (action === undefined) {
      if (request.method === "GET" || request.method === "HEAD") return read(deps, request);
      if (request.method === "PUT") return replace(deps, request);
    } else if (action === "validate" && rest.length === 0 && request.method === "POST") {
      return validateConfigs(deps.check, request);
    }
    return refuse(404, "not found: GET, HEAD and PUT /apisix/admin/configs, POST /apisix/admin/configs/validate");
  };
}

const JSON_TYPE = { "Content-Type": "application/json" };

function read({ source }: ConfigsDeps, request: AdminRequest): AdminAnswer {
  const { current } = source;
  const yaml = request.headers.accept?.toLowerCase().startsWith("application/yaml") === true;
  const headers = { ...stampOf(current), "Content-Type": yaml ? "application/yaml" : "application/json" };
  if (request.method === "HEAD") return { status: 200, body: null, headers };
  const shown: Record<string, unknown> = {};
  for (const kind of kinds) {
    // Credentials stand among the consumers; only who pushed a list of them sees one.
    if (kind !== "credentials" || current?.lists[kind] !== undefined) {
      shown[`${kind}_conf_version`] = current?.versions[kind] ?? 0;
    }
  }
  Object.assign(shown, current?.lists);
  return { status: 200, body: yaml ? formatYaml(shown) : shown, headers };
}

function stampOf(current: PushedConfiguration | null): Record<string, string> {
  if (current === null) return {};
  return { "X-Digest": current.digest, "X-Last-Modified": String(current.lastModified) };
}

/** What a client may ask of a push beside the push itself. */
interface PushOptions {
  /** Take the good resources; the bad ones keep their previous versions. */
  readonly partial: boolean;
  /** Milliseconds to wait for the workers; `null`: not at all. */
  readonly waitMs: number | null;
}

function optionsOf(query: URLSearchParams): PushOptions | string {
  const partial = query.get("partial");
  if (partial !== null && partial !== "true" && partial !== "false") {
    return `partial: expected true or false, got ${JSON.stringify(partial.slice(0, 100))}`;
  }
  const wait = query.get("wait");
  if (wait === null) return { partial: partial === "true", waitMs: null };
  if (!/^\d{1,6}$/.test(wait) || Number(wait) > MAX_WAIT_MS) {
    return `wait: expected milliseconds, at most ${MAX_WAIT_MS}, got ${JSON.stringify(wait.slice(0, 100))}`;
  }
  return { partial: partial === "true", waitMs: Number(wait) };
}

function replace(deps: ConfigsDeps, request: AdminRequest): AdminAnswer | Promise<AdminAnswer> {
  const digest = request.headers["x-digest"];
  if (typeof digest !== "string" || digest === "") return refuse(400, "missing digest header");
  const options = optionsOf(request.query);
  if (typeof options === "string") return refuse(400, options);
  const body = readConfigsBody(request.body, request.headers["content-type"]);
  if ("error" in body) return refuse(400, body.error);

  const { source } = deps;
  const { current } = source;
  if (current?.digest === digest) return unchanged(deps, options);
  const rejected = new Set(deps.loaded().rejected.map(({ kind, id }) => `${kind}/${id}`));
  const merged = mergePush(body.value, current, (key) => rejected.has(key));
  if (merged.faults.length > 0) return refuseShape(merged);
  if (!options.partial) {
    const faults = checkChanged(merged, deps, rejected);
    if (faults.length > 0) return refuseResources(faults);
  }
  const { versions, lists, unknownKinds } = merged;
  const lastModified = Math.floor(deps.now() / 1000);
  if (!source.push({ digest, lastModified, versions, lists }, unknownKinds)) {
    return refuse(503, "the configuration cannot be taken yet; try again");
  }
  return taken(deps, options);
}

/** The faults of what the push changes: what serves already has been found good. */
function checkChanged(merged: MergedPush, deps: ConfigsDeps, rejected: ReadonlySet<string>): readonly PushFault[] {
  const { current } = deps.source;
  const known = new Map<string, string>();
  const samePlugins = JSON.stringify(current?.lists["plugins"]) === JSON.stringify(merged.lists["plugins"]);
  for (const [list, items] of samePlugins ? Object.entries(current?.lists ?? {}) : []) {
    if (!isKind(list)) continue;
    for (const [index, value] of items.entries()) {
      const { kind, id } = identify(list, value, index);
      const key = `${kind}/${id}`;
      if (!rejected.has(key)) known.set(key, JSON.stringify(value));
    }
  }
  const isKnown = (key: string, value: unknown): boolean => known.get(key) === JSON.stringify(value);
  const faults = checkPush(merged.lists, deps.check, isKnown, contentFault);
  // What a kind whose version has not moved says counts for nothing, so it cannot be wrong either.
  return faults.filter(({ kind }) => !merged.unchanged.has(kind));
}

function refuseShape({ faults }: MergedPush): AdminAnswer {
  const [first] = faults;
  const errors = faults.map(({ kind, error }) => ({ resource_type: kind, error }));
  return refuse(400, first?.error ?? "", faults.length > 1 ? { errors } : {});
}

/** The whole push is refused: APISIX's answer for one fault, all of them where there are more. */
function refuseResources(faults: readonly PushFault[]): AdminAnswer {
  const [first] = faults;
  if (first === undefined) return refuse(400, "");
  const answer = refuse(400, first.error, faults.length > 1 ? { errors: faultRows(faults) } : {});
  // A single error says what is wrong, but not with which resource.
  const place = `${first.kind}[${first.index}] ${encodeURIComponent(String(first.id).toWellFormed())}`;
  return { ...answer, headers: { "X-Turnpike-Resource": place.trimEnd() } };
}

/** The digest is that of what is held: nothing is done, but a client may want to wait for it. */
async function unchanged(deps: ConfigsDeps, options: PushOptions): Promise<AdminAnswer> {
  const stamp = stampOf(deps.source.current);
  await deps.idle();
  const { revision } = deps.loaded();
  const headers = { ...stamp, "X-Turnpike-Revision": String(revision) };
  if (options.waitMs === null) return { status: 204, body: null, headers };
  const outcome = await deps.waitApplied(revision, options.waitMs);
  if (outcome.applied) return { status: 204, body: null, headers };
  return { status: 202, body: { revision, ...outcome }, headers };
}

async function taken(deps: ConfigsDeps, { partial, waitMs }: PushOptions): Promise<AdminAnswer> {
  const stamp = stampOf(deps.source.current);
  await deps.idle();
  const { revision, rejected } = deps.loaded();
  const headers: Record<string, string> = {
    ...stamp,
    ...JSON_TYPE,
    "X-Turnpike-Revision": String(revision),
  };
  if (rejected.length > 0) headers["X-Turnpike-Rejected"] = String(rejected.length);
  // Without either parameter the answer is APISIX's, which has no body.
  if (!partial && waitMs === null) return { status: 202, body: null, headers };
  const outcome = waitMs === null ? {} : await deps.waitApplied(revision, waitMs);
  return { status: 202, body: { revision, ...outcome, rejected: rejectedRows(rejected) }, headers };
}

const rejectedRows = (rejected: readonly Rejection[]): object[] =>
  rejected.slice(0, MAX_LISTED).map(({ kind, id, field, error, serving }) => ({
    kind,
    id,
    field,
    error,
    serving,
  }));

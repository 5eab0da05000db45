import { createErrorCache, errorAnswer, jsonAnswer, okAnswer, type Answer } from "./answers.ts";
import type { StatusDeps } from "./deps.ts";
import { eventBody } from "./event-stream.ts";
import { fleetBody } from "./fleet.ts";
import { awaited, configBody, isoTime, workerRows } from "./reports.ts";
import { checkRows, divergenceRows } from "./state-body.ts";
import type { CheckState } from "./transitions.ts";
import { upstreamsBody } from "./upstream-nodes.ts";

/** What the API offers, as a request for anything else is told. */
export const endpointPaths = [
  "/status",
  "/status/ready",
  "/status/ready/<check>",
  "/status/config",
  "/status/workers",
  "/status/events",
  "/status/upstreams",
  "/status/fleet",
  "/",
] as const;

/** The answers of the endpoints that answer at once. */
export interface Endpoints {
  /** `GET /status`. */
  alive(): Answer;
  /** `GET /status/ready` as the seed has it; while nothing changes it allocates no answer. */
  ready(): Answer;
  /** `GET /status/ready` with `verbose` or `exclude`. */
  explain(query: URLSearchParams): Answer;
  /** `GET /status/ready/<check>`; 404 where there is no such check. */
  check(name: string, query: URLSearchParams): Answer;
  config(): Answer;
  workers(): Answer;
  upstreams(): Answer;
  fleet(): Answer;
  /** `GET /status/events`: the kept events after an id. */
  events(after: number): Answer;
}

/** Builds the endpoints over what they read. */
export function buildEndpoints(deps: StatusDeps): Endpoints {
  const { watch } = deps;
  const notAlive = createErrorCache(503);
  const notReady = createErrorCache(503);

  function verdict(checks: readonly CheckState[], warnings: readonly string[], query: URLSearchParams): Answer {
    const error = checks.find((check) => check.error !== null)?.error ?? null;
    const body = {
      ...(error === null ? { status: "ok" } : { status: "error", error }),
      ...(warnings.length > 0 ? { warnings } : {}),
      ...(isAsked(query, "verbose") ? details(checks, query) : {}),
    };
    return jsonAnswer(error === null ? 200 : 503, body);
  }

  function details(checks: readonly CheckState[], query: URLSearchParams): object {
    return {
      checks: checkRows(checks),
      excluded: query.getAll("exclude"),
      awaiting: awaited(deps),
      since: isoTime(watch.turnedAt),
      started_at: isoTime(deps.startedAt),
      revision: deps.board.revision,
      workers: workerRows(deps),
      divergence: divergenceRows(deps),
      node_divergence: watch.nodeDivergence(),
    };
  }

  return {
    alive() {
      const error = watch.liveness();
      return error === null ? okAnswer : notAlive(error);
    },
    ready() {
      const error = watch.readiness();
      return error === null ? okAnswer : notReady(error);
    },
    explain(query) {
      const checks = watch.checks();
      const names = checks.map(({ name }) => name);
      const excluded = new Set(query.getAll("exclude"));
      const warnings = [...excluded]
        .filter((name) => !names.some((known) => known === name))
        .map(
          (name) => `exclude: no check is named ${JSON.stringify(name.slice(0, 100))}; there are ${names.join(", ")}`,
        );
      const judged = checks.filter(({ name }) => !excluded.has(name));
      return verdict(judged, warnings, query);
    },
    check(name, query) {
      const checks = watch.checks();
      const check = checks.find((one) => one.name === name);
      if (check !== undefined) return verdict([check], [], query);
      return errorAnswer(404, `no check is named ${JSON.stringify(name.slice(0, 100))}`, {
        checks: checks.map((one) => one.name),
      });
    },
    config: () => jsonAnswer(200, configBody(deps)),
    workers() {
      const workers = workerRows(deps);
      return jsonAnswer(200, { count: workers.length, workers });
    },
    upstreams: () => jsonAnswer(200, upstreamsBody(deps.board, deps.checked())),
    fleet: () => jsonAnswer(200, fleetBody(deps)),
    events: (after) =>
      jsonAnswer(200, { last_id: deps.journal.lastId, events: deps.journal.after(after).map(eventBody) }),
  };
}

/** Whether a switch like `?verbose` was given: bare, or with anything that does not deny it. */
export function isAsked(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== "false" && value !== "0";
}

/** The answer to a path that is none of the endpoints: a typo must never look healthy. */
export function unknownPath(path: string): Answer {
  return errorAnswer(404, `no such endpoint: ${path.slice(0, 200)}`, { endpoints: endpointPaths });
}

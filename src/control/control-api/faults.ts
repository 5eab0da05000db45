import { parseDuration } from "../../lib/duration.ts";
import type { Fault } from "../../messages/messages.ts";
import { refuse, type ControlAnswer, type Endpoint } from "./endpoint.ts";

/** Faults that tests inject. */
export interface FaultActions {
  worker(worker: number, fault: Fault | "release"): void;
  /** Ends the control thread by an uncaught exception, after the answer. */
  crashControl(): void;
  /** Blocks the control thread for the time, after the answer. */
  pauseControl(ms: number): void;
}

const workerFaults = new Set(["crash", "hang", "hold-start", "hold-config", "release"]);
const CONTROL_CRASH = "control-crash";
const CONTROL_PAUSE = "control-pause";
/** Nobody can end a pause: the thread that would be asked is the one that pauses. */
const PAUSE_MS = 30_000;

/**
 * `POST /v1/faults?worker=ID&fault=NAME` and `POST /v1/faults?fault=control-crash|control-pause`,
 * for tests; `null`: faults are not turned on (`TURNPIKE_FAULTS`), and there is no such endpoint.
 */
export function faultEndpoints(faults: FaultActions | null): readonly Endpoint[] {
  if (faults === null) return [];
  return [{ method: "POST", path: "/v1/faults", answer: ({ query }) => injectFault(faults, query) }];
}

function injectFault(faults: FaultActions, query: URLSearchParams): ControlAnswer {
  const fault = query.get("fault") ?? "";
  if (fault === CONTROL_CRASH) {
    faults.crashControl();
    return { status: 200, body: { fault } };
  }
  if (fault === CONTROL_PAUSE) {
    const ms = parseDuration(query.get("for") ?? "") ?? PAUSE_MS;
    faults.pauseControl(Math.min(ms, PAUSE_MS));
    return { status: 200, body: { fault } };
  }
  if (!workerFaults.has(fault)) {
    const names = [...workerFaults, CONTROL_CRASH, CONTROL_PAUSE].join(", ");
    return refuse(400, `fault: one of ${names} is expected`);
  }
  const worker = Number(query.get("worker") ?? Number.NaN);
  if (!Number.isInteger(worker) || worker < 0) return refuse(400, "worker: a worker id is expected");
  faults.worker(worker, fault as Fault | "release");
  return { status: 200, body: { worker, fault } };
}

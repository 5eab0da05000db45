import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseDuration } from "../lib/duration.ts";
import type { Fault } from "../messages/messages.ts";
import type { Address } from "../settings/settings.ts";

/** What the Control API can do. */
export interface ControlActions {
  drain(on: boolean): void;
  /** `null` unless faults are turned on (`TURNPIKE_FAULTS`). */
  readonly faults: FaultActions | null;
}

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
 * The Control API (`apisix.control`, loopback by default): what operators may do to this
 * node. Reading the node's state is the Status API's part.
 *
 * - `POST /v1/drain`, `POST /v1/undrain`
 * - `POST /v1/faults?worker=ID&fault=NAME` and `POST /v1/faults?fault=control-crash|control-pause`, for tests, only with `TURNPIKE_FAULTS` set
 */
export function createControlApi(actions: ControlActions): Server {
  const routes = new Map<string, (url: URL) => { status: number; body: object }>([
    ["/v1/drain", () => switchDrain(actions, true)],
    ["/v1/undrain", () => switchDrain(actions, false)],
  ]);
  const { faults } = actions;
  if (faults !== null) routes.set("/v1/faults", (url) => injectFault(faults, url));
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000 }, (request, response) => {
    answer(routes, request, response);
  });
  server.maxConnections = 256;
  return server;
}

/** Listens and resolves with the address; rejects with the system's error. */
export async function listenControlApi(server: Server, address: Address): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.ip, resolve);
  });
  const { address: ip, port } = server.address() as AddressInfo;
  return { ip, port };
}

type Routes = ReadonlyMap<string, (url: URL) => { status: number; body: object }>;

function answer(routes: Routes, request: IncomingMessage, response: ServerResponse): void {
  const url = URL.parse(request.url ?? "/", "http://control");
  const route = url === null ? undefined : routes.get(url.pathname.replace(/\/$/, ""));
  if (url === null || route === undefined)
    return send(response, 404, { error_msg: "not found", paths: [...routes.keys()] });
  if (request.method !== "POST") {
    response.setHeader("Allow", "POST");
    return send(response, 405, { error_msg: "method not allowed" });
  }
  const { status, body } = route(url);
  send(response, status, body);
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
  });
  response.end(text);
}

function switchDrain(actions: ControlActions, on: boolean): { status: number; body: object } {
  actions.drain(on);
  return { status: 200, body: { draining: on } };
}

function injectFault(faults: FaultActions, url: URL): { status: number; body: object } {
  const fault = url.searchParams.get("fault") ?? "";
  if (fault === CONTROL_CRASH) {
    faults.crashControl();
    return { status: 200, body: { fault } };
  }
  if (fault === CONTROL_PAUSE) {
    const ms = parseDuration(url.searchParams.get("for") ?? "") ?? PAUSE_MS;
    faults.pauseControl(Math.min(ms, PAUSE_MS));
    return { status: 200, body: { fault } };
  }
  if (!workerFaults.has(fault)) {
    const names = [...workerFaults, CONTROL_CRASH, CONTROL_PAUSE].join(", ");
    return { status: 400, body: { error_msg: `fault: one of ${names} is expected` } };
  }
  const worker = Number(url.searchParams.get("worker") ?? Number.NaN);
  if (!Number.isInteger(worker) || worker < 0) {
    return { status: 400, body: { error_msg: "worker: a worker id is expected" } };
  }
  faults.worker(worker, fault as Fault | "release");
  return { status: 200, body: { worker, fault } };
}

import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { Board, WorkerState, type WorkerRecord } from "../board/board.ts";
import { monotonicMs } from "../lib/clock.ts";
import type { CheckedNodes, ConfigReport, FleetReport } from "../messages/messages.ts";
import type { StatusSettings } from "../settings/settings.ts";
import type { SlotHistory, StatusDeps } from "./deps.ts";
import { Journal } from "./journal.ts";
import type { DiscoveryState } from "./readiness.ts";
import { createStatusServer, type StatusServer } from "./server.ts";
import { createStatusWatch, type StatusWatch } from "./transitions.ts";

/** A board, a watch and a server for tests, with everything the supervisor would say in plain fields. */
export interface Fixture {
  /** What the server reads. */
  readonly deps: StatusDeps;
  readonly board: Board;
  readonly journal: Journal;
  readonly watch: StatusWatch;
  readonly lines: string[];
  readonly origin: string;
  readonly ip: string;
  readonly port: number;
  report: ConfigReport;
  discovery: DiscoveryState[];
  fleet: FleetReport | null;
  checked: CheckedNodes;
  startingUp: boolean;
  slots: SlotHistory[];
  /** Monotonic milliseconds added to the clock. */
  skew: number;
  /** How many requests wait for a revision. */
  readonly waiting: number;
  readonly server: StatusServer;
  /** Closes the server before the test's end does. */
  close(): Promise<void>;
}

/** A report of control that has loaded `revision`. */
export function reportOf(revision: number, more: Partial<ConfigReport> = {}): ConfigReport {
  return {
    source: "yaml",
    revision,
    hash: "0".repeat(16),
    loadedAt: Date.now(),
    lastChangeAt: Date.now(),
    lastFailure: null,
    rejected: [],
    ...more,
  };
}

/** Gives slot `slot` a thread that runs with `revision`. */
export function startWorker(board: Board, slot: number, revision: number, index = slot): WorkerRecord {
  const record = board.record(index);
  record.reset(slot, 1, Date.now(), monotonicMs());
  record.thread = slot + 1;
  if (revision > 0) record.acknowledge(revision, 0n, Date.now());
  record.state = revision > 0 ? WorkerState.running : WorkerState.starting;
  board.activate(slot, record);
  return record;
}

/** A board of `workers` slots that all run with `revision`. */
export function boardOf(workers: number, revision: number): Board {
  const board = new Board();
  board.workerCount = workers;
  if (revision > 0) board.publish(revision, 0n);
  for (let slot = 0; slot < workers; slot++) startWorker(board, slot, revision);
  return board;
}

/** Starts a Status API over `board` on a free port. */
export async function startFixture(
  t: TestContext,
  board: Board,
  settings: Partial<StatusSettings> = {},
): Promise<Fixture> {
  const journal = new Journal();
  const lines: string[] = [];
  const full: StatusSettings = {
    ip: "127.0.0.1",
    port: 0,
    allowDetails: ["127.0.0.0/8", "::1/128"],
    allowHosts: [],
    unresponsiveAfterMs: 5000,
    ...settings,
  };
  const state = {
    report: reportOf(board.revision),
    discovery: [] as DiscoveryState[],
    fleet: null as FleetReport | null,
    checked: { upstreams: [], unlisted: 0 } as CheckedNodes,
    startingUp: false,
    slots: [] as SlotHistory[],
    skew: 0,
    waiting: 0,
  };
  const inner = createStatusWatch({
    board,
    journal,
    unresponsiveAfterMs: full.unresponsiveAfterMs,
    log: { info: (line) => void lines.push(line), warn: (line) => void lines.push(line) },
    config: () => state.report,
    fleet: () => state.fleet,
    checked: () => state.checked,
    discovery: () => state.discovery,
    startingUp: () => state.startingUp,
    monotonic: () => monotonicMs() + state.skew,
  });
  const watch: StatusWatch = {
    ...inner,
    get turnedAt() {
      return inner.turnedAt;
    },
    onChange(listener) {
      state.waiting++;
      const stop = inner.onChange(listener);
      return () => {
        state.waiting--;
        stop();
      };
    },
  };
  t.after(() => watch.close());
  const deps: StatusDeps = {
    board,
    journal,
    watch,
    settings: full,
    config: () => state.report,
    fleet: () => state.fleet,
    checked: () => state.checked,
    role: "traditional",
    slots: () => state.slots,
    startedAt: Date.now(),
  };
  const server = createStatusServer(deps);
  const bound = await server.listen(full);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= server.close());
  t.after(close);
  const ip = bound.ip === "0.0.0.0" ? "127.0.0.1" : bound.ip === "::" ? "::1" : bound.ip;
  const origin = `http://${ip.includes(":") ? `[${ip}]` : ip}:${bound.port}`;
  return Object.assign(state, { deps, server, board, journal, watch, lines, origin, ip, port: bound.port, close });
}

/** An answer, read to its end. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body; `undefined` where there is none. */
  readonly json: Record<string, unknown>;
}

/** One request on a connection of its own. */
export function ask(
  fixture: Pick<Fixture, "ip" | "port">,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string; localAddress?: string } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { method = "GET", headers = {}, body, localAddress } = options;
    const request = httpRequest(
      {
        host: fixture.ip,
        port: fixture.port,
        path,
        method,
        headers,
        agent: false,
        ...(localAddress ? { localAddress } : {}),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("end", () => {
          const json = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
        });
        response.on("error", reject);
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** Sends bytes as they are and returns everything that comes back until the server closes. */
export async function exchangeBytes(fixture: Pick<Fixture, "ip" | "port">, bytes: string): Promise<string> {
  const socket = connect(fixture.port, fixture.ip);
  let text = "";
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => undefined);
  socket.write(bytes, "latin1");
  await once(socket, "close");
  return text;
}

import type { MessagePort, Worker } from "node:worker_threads";
import type { Board } from "../board/board.ts";
import type { GatewayVitals } from "../board/gateway-vitals.ts";
import { monotonicMs } from "../lib/clock.ts";
import { spawnThread } from "../lib/spawn-thread.ts";
import { atNormalPriority } from "../lib/thread-priority.ts";
import type { ControlData, ControlToSupervisor, SupervisorToControl } from "../messages/messages.ts";
import type { Settings } from "../settings/settings.ts";
import { noRestarts, nextRestart, type RestartRecord } from "./restart-policy.ts";
import { controlEntry, controlName } from "./thread-entries.ts";

/** How long control may take to close before it is ended. */
const CLOSE_LIMIT_MS = 3_000;

/** What the control thread tells its owner. */
export interface ControlEvents {
  message(message: ControlToSupervisor): void;
  /** A new thread was started in place of one that ended; workers must be connected anew. */
  replaced(): void;
  exited(cause: string, restartInMs: number): void;
  /** What workers count in now; later ones follow by `addMetrics`. */
  metrics(): readonly SharedArrayBuffer[];
}

/** The control thread and its restarts. Traffic does not depend on it. */
export class ControlThread {
  readonly #board: Board;
  readonly #vitals: GatewayVitals;
  readonly #events: ControlEvents;
  #settings: Settings;
  #worker: Worker | null = null;
  #restart: RestartRecord = noRestarts;
  #timer: NodeJS.Timeout | null = null;
  /** What the thread has left for its successor; nothing here looks into it. */
  #kept: string | null = null;
  /** An end of the thread is asked for: it is not respawned. */
  #replacing = false;
  #closed = false;

  constructor(board: Board, vitals: GatewayVitals, settings: Settings, events: ControlEvents) {
    this.#board = board;
    this.#vitals = vitals;
    this.#settings = settings;
    this.#events = events;
  }

  start(): void {
    const startedAt = monotonicMs();
    const data: ControlData = {
      role: "control",
      settings: this.#settings,
      board: this.#board.memory,
      kept: this.#kept,
      vitals: this.#vitals.memory,
      metrics: this.#events.metrics(),
    };
    const worker = atNormalPriority(() => spawnThread(controlEntry, controlName, data));
    let failure: string | null = null;
    this.#worker = worker;
    worker.on("message", (message: ControlToSupervisor) => {
      if (message.type === "keep") this.#kept = message.text;
      else this.#events.message(message);
    });
    worker.on("error", (error: Error) => {
      failure = `uncaught ${error.stack?.split("\n").slice(0, 2).join(" ") ?? error.message}`;
    });
    worker.on("exit", (code) => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      if (!this.#closed && !this.#replacing) this.#respawn(failure ?? `exit ${code}`, monotonicMs() - startedAt);
    });
  }

  /** Hands over a line to the worker of that record; without a thread the line is dropped, `replaced` follows. */
  connect(record: number, port: MessagePort): void {
    this.#post({ type: "connect", record, port }, [port]);
  }

  /** Tells of what one more worker counts in; a thread that is still to be started asks for it. */
  addMetrics(memory: SharedArrayBuffer): void {
    this.#post({ type: "metrics", memory });
  }

  reopenLogs(): void {
    this.#post({ type: "reopen-logs" });
  }

  /** Replaces the thread by one with new settings; does nothing more once `close` was called. */
  async reload(settings: Settings): Promise<void> {
    this.#settings = settings;
    this.#replacing = true;
    await this.#end();
    this.#replacing = false;
    if (this.#closed) return;
    this.#restart = noRestarts;
    this.start();
    this.#events.replaced();
  }

  /** Closes the source and the Control API and ends the thread for good. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#end();
  }

  async #end(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const worker = this.#worker;
    if (worker === null) return;
    const exited = new Promise((resolve) => worker.once("exit", resolve));
    const limit = setTimeout(() => void worker.terminate(), CLOSE_LIMIT_MS);
    this.#post({ type: "close" });
    await exited;
    clearTimeout(limit);
  }

  #respawn(cause: string, uptimeMs: number): void {
    const { delayMs, record } = nextRestart(this.#restart, uptimeMs);
    this.#restart = record;
    this.#events.exited(cause, delayMs);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.start();
      this.#events.replaced();
    }, delayMs);
  }

  #post(message: SupervisorToControl, transfer: MessagePort[] = []): void {
    if (this.#worker === null) for (const port of transfer) port.close();
    else this.#worker.postMessage(message, transfer);
  }
}

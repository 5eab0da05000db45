import type { MessagePort, Worker } from "node:worker_threads";
import { type Board, type WorkerRecord, WorkerState } from "../board/board.ts";
import { type CounterTable, holderOf } from "../board/counter-table.ts";
import type { MetricMemory } from "../board/metric-memory.ts";
import { monotonicMs } from "../lib/clock.ts";
import { spawnThread } from "../lib/spawn-thread.ts";
import { atNormalPriority } from "../lib/thread-priority.ts";
import type { Fault, SupervisorToWorker, WorkerData, WorkerToSupervisor } from "../messages/messages.ts";
import type { Settings } from "../settings/settings.ts";
import type { TicketSeed } from "../tls/ticket-keys.ts";
import { workerEntry, workerName } from "./thread-entries.ts";

/** How long a thread may take to end after `terminate` before it is given up. */
const TERMINATE_LIMIT_MS = 5_000;
/** How much later than its own deadline a draining thread is ended from outside. */
const DRAIN_MARGIN_MS = 500;

/** How a thread ended. */
export interface WorkerExit {
  readonly at: number;
  readonly uptimeMs: number;
  readonly cause: string;
}

export interface WorkerThreadOptions {
  readonly board: Board;
  readonly counters: CounterTable;
  /** What the thread counts in for operators; `null`: nothing. */
  readonly metrics: MetricMemory | null;
  readonly record: WorkerRecord;
  readonly slot: number;
  readonly generation: number;
  readonly settings: Settings;
  readonly tickets: TicketSeed;
  readonly faults: readonly Fault[];
  /** Messages of the thread. */
  onMessage(thread: WorkerThread, message: WorkerToSupervisor): void;
  /** Nothing of the thread runs any more; not called for one that could not be ended. */
  onGone(): void;
}

/**
 * One worker thread and its record on the board. `exited` resolves once, when the
 * thread is gone or given up; the record is then `absent`.
 */
export class WorkerThread {
  readonly record: WorkerRecord;
  readonly generation: number;
  readonly exited: Promise<WorkerExit>;
  /** Resolves when the thread has loaded the configuration and listens. */
  readonly listening: Promise<void>;
  readonly #deaf = Promise.withResolvers<void>();
  readonly #board: Board;
  readonly #counters: CounterTable;
  readonly #worker: Worker;
  readonly #startedAt = monotonicMs();
  #failure: string | null = null;
  #killed = false;
  #settle: ((exit: WorkerExit) => void) | null = null;

  constructor(options: WorkerThreadOptions) {
    const { board, counters, record, slot, generation, settings } = options;
    this.record = record;
    this.generation = generation;
    this.#board = board;
    this.#counters = counters;
    record.reset(slot, generation, Date.now(), this.#startedAt);
    const data: WorkerData = {
      role: "worker",
      settings,
      board: board.memory,
      counters: counters.memory,
      metrics: options.metrics?.memory ?? null,
      record: record.index,
      slot,
      tickets: options.tickets,
      faults: options.faults,
    };
    this.exited = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#worker = atNormalPriority(() => spawnThread(workerEntry, workerName(slot), data));
    this.listening = new Promise((resolve) => {
      this.#worker.on("message", (message: WorkerToSupervisor) => {
        if (message.type === "listening") resolve();
        else if (message.type === "stopped-listening") this.#deaf.resolve();
        options.onMessage(this, message);
      });
    });
    this.#worker.on("error", (error: Error) => {
      this.#failure ??= `uncaught ${error.stack?.split("\n").slice(0, 2).join(" ") ?? error.message}`;
    });
    this.#worker.on("exit", (code) => {
      options.onGone();
      this.#ended(this.#failure ?? `exit ${code}`);
    });
  }

  /** Connects the thread with control. */
  connect(port: MessagePort): void {
    this.#send({ type: "connect", port }, [port]);
  }

  /** Asks the thread to take no connections any more; resolves when it does not, or has ended. */
  async stopListening(): Promise<void> {
    this.#send({ type: "stop-listening" });
    await Promise.race([this.#deaf.promise, this.exited]);
  }

  /** Asks the thread to finish within the limit, which is enforced; `exited` tells when it has. */
  drain(timeoutMs: number): void {
    this.#send({ type: "drain", timeoutMs });
    setTimeout(() => this.kill("did not end when told to"), timeoutMs + DRAIN_MARGIN_MS).unref();
  }

  reopenLogs(): void {
    this.#send({ type: "reopen-logs" });
  }

  fault(fault: Fault | "release"): void {
    this.#send({ type: "fault", fault });
  }

  /** Ends the thread at once, whatever it does. */
  kill(cause: string): void {
    // Whoever watches for hangs sees the same one until the thread is gone.
    if (this.#settle === null || this.#killed) return;
    this.#killed = true;
    this.#failure ??= cause;
    void this.#worker.terminate();
    setTimeout(() => this.#ended(`${cause}; the thread could not be ended`), TERMINATE_LIMIT_MS).unref();
  }

  get uptimeMs(): number {
    return monotonicMs() - this.#startedAt;
  }

  #send(message: SupervisorToWorker, transfer: MessagePort[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #ended(cause: string): void {
    if (this.#settle === null) return;
    this.record.state = WorkerState.absent;
    this.#counters.forget(holderOf(this.record));
    this.#board.announce();
    this.#settle({ at: Date.now(), uptimeMs: this.uptimeMs, cause });
    this.#settle = null;
  }
}

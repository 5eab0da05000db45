import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { type MessagePort, MessageChannel } from "node:worker_threads";
import { type Board, MAX_WORKERS, type WorkerRecord, WorkerState } from "../board/board.ts";
import { CounterTable } from "../board/counter-table.ts";
import { monotonicMs } from "../lib/clock.ts";
import type { Fault, WorkerToSupervisor } from "../messages/messages.ts";
import type { Settings } from "../settings/settings.ts";
import { epochOf, TicketKeys } from "../tls/ticket-keys.ts";
import { HangWatch } from "./hang-watch.ts";
import type { MetricMemories } from "./metric-memories.ts";
import { Slot, type SlotHost } from "./slot.ts";
import { type WorkerExit, WorkerThread } from "./worker-thread.ts";

/** After the limit a probe can see the hang for this long before the thread is replaced. */
const HANG_MARGIN_MS = 1_000;
/** How long a thread may take from its start to its first report. */
const STARTUP_LIMIT_MS = 60_000;
/** How long workers that stop are waited for before those that have stopped listening drain: one may hang. */
const STOP_LISTENING_LIMIT_MS = 500;
/** How long the successor of a worker may take to become ready during a reload. */
const SUCCESSOR_LIMIT_MS = 60_000;

/** What the pool tells its owner. */
export interface WorkerPoolEvents {
  /** Hand `port` to control: it leads to the worker of that record. */
  connect(record: number, port: MessagePort): void;
  started(slot: number, generation: number): void;
  exited(slot: number, exit: WorkerExit, restartInMs: number): void;
  message(slot: number, message: WorkerToSupervisor): void;
}

/** All workers: as many slots as configured, and the records on the board they use. */
export class WorkerPool implements SlotHost {
  readonly #board: Board;
  /** Outlives every thread. */
  readonly #counters = new CounterTable();
  readonly #metrics: MetricMemories;
  /** So that a session of one worker is resumed by any other, and after a reload. */
  readonly #tickets = new TicketKeys({ epoch: epochOf(Date.now()), secret: randomBytes(32) });
  readonly #events: WorkerPoolEvents;
  readonly #faults: ReadonlyMap<number, readonly Fault[]>;
  readonly #slots: Slot[] = [];
  readonly #threads = new Set<WorkerThread>();
  #settings: Settings;
  #watch: NodeJS.Timeout | null = null;
  #stopping = false;

  constructor(
    board: Board,
    settings: Settings,
    faults: ReadonlyMap<number, readonly Fault[]>,
    metrics: MetricMemories,
    events: WorkerPoolEvents,
  ) {
    this.#board = board;
    this.#settings = settings;
    this.#faults = faults;
    this.#metrics = metrics;
    this.#events = events;
  }

  get slots(): readonly Slot[] {
    return this.#slots;
  }

  /** Starts every worker. */
  start(): void {
    this.#board.workerCount = this.#settings.workers;
    this.#grow(this.#settings.workers);
    this.#watchForHangs();
  }

  /** Gives every living worker a new line to control; called when control was replaced. */
  reconnect(): void {
    for (const thread of this.#threads) this.#connect(thread);
  }

  reopenLogs(): void {
    for (const thread of this.#threads) thread.reopenLogs();
  }

  fault(slot: number, fault: Fault | "release"): void {
    this.#slots[slot]?.current?.fault(fault);
  }

  /**
   * Replaces the workers one by one with such of the new settings, then adds or removes
   * slots. Resolves with the ids whose successor did not become ready; those keep
   * serving with the old settings.
   */
  async reload(settings: Settings): Promise<readonly number[]> {
    const before = this.#slots.length;
    const failed: number[] = [];
    this.#settings = settings;
    if (settings.workers < before) this.#shrink(settings.workers, settings.shutdown.timeoutMs);
    for (const slot of this.#slots) {
      if (this.#stopping) return failed;
      const replaced = await slot.replace(SUCCESSOR_LIMIT_MS, settings.shutdown.timeoutMs);
      if (!replaced && slot.current !== null) failed.push(slot.id);
    }
    if (this.#stopping) return failed;
    this.#watchForHangs();
    if (settings.workers > before) await this.#growWhenReady(settings.workers);
    return failed;
  }

  /**
   * Drains every worker; resolves when all are gone, which the deadline enforces. All stop listening
   * before one drains: a client whose connection is ended opens another one at once, which would
   * wait in the queue of a worker that closes it.
   */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#watch !== null) clearInterval(this.#watch);
    const deadline = monotonicMs() + drainMs;
    const deaf = Promise.all([...this.#threads].map((thread) => thread.stopListening()));
    await Promise.race([deaf, setTimeout(Math.min(drainMs, STOP_LISTENING_LIMIT_MS), null, { ref: false })]);
    for (const slot of this.#slots) slot.stop(Math.max(0, deadline - monotonicMs()));
    await Promise.all([...this.#threads].map((thread) => thread.exited));
  }

  // What the slots ask of the pool (SlotHost).

  spawn(slot: Slot): WorkerThread {
    const generation = slot.nextGeneration();
    const metrics = this.#metrics.take();
    const thread = new WorkerThread({
      board: this.#board,
      counters: this.#counters,
      metrics,
      record: this.#freeRecord(),
      slot: slot.id,
      generation,
      settings: this.#settings,
      tickets: this.#tickets.seedAt(Date.now()),
      faults: generation === 1 ? (this.#faults.get(slot.id) ?? []) : [],
      onMessage: (_, message) => this.#events.message(slot.id, message),
      onGone: () => metrics !== null && this.#metrics.giveBack(metrics),
    });
    this.#threads.add(thread);
    this.#connect(thread);
    this.#events.started(slot.id, generation);
    return thread;
  }

  activate(slot: Slot, thread: WorkerThread | null): void {
    // A slot that a reload took away may still see its last thread end.
    if (this.#slots[slot.id] !== slot) return;
    this.#board.activate(slot.id, thread?.record);
    this.#board.announce();
  }

  crashed(slot: Slot, exit: WorkerExit, restartInMs: number): void {
    this.#events.exited(slot.id, exit, restartInMs);
  }

  release(thread: WorkerThread): void {
    this.#threads.delete(thread);
  }

  async settled(thread: WorkerThread): Promise<void> {
    await Promise.race([thread.listening, thread.exited]);
  }

  async silenced(thread: WorkerThread, limitMs: number): Promise<void> {
    await Promise.race([thread.stopListening(), setTimeout(limitMs, null, { ref: false })]);
  }

  #connect(thread: WorkerThread): void {
    const { port1, port2 } = new MessageChannel();
    this.#events.connect(thread.record.index, port1);
    thread.connect(port2);
  }

  /** A record that no living thread uses; there are four for every possible worker. */
  #freeRecord(): WorkerRecord {
    const used = new Set([...this.#threads].map((thread) => thread.record.index));
    for (let i = 0; i < this.#board.recordCount; i++) if (!used.has(i)) return this.#board.record(i);
    throw new Error(`more than ${this.#board.recordCount} worker threads`);
  }

  #grow(count: number): void {
    for (let id = this.#slots.length; id < Math.min(count, MAX_WORKERS); id++) {
      const slot = new Slot(id, this);
      this.#slots.push(slot);
      slot.start();
    }
  }

  /** New slots count for readiness once they are ready, so that growing never looks like a failure. */
  async #growWhenReady(count: number): Promise<void> {
    const before = this.#slots.length;
    this.#grow(count);
    const threads = this.#slots.slice(before).flatMap((slot) => slot.threads);
    await Promise.all(threads.map((thread) => this.settled(thread)));
    this.#board.workerCount = count;
    this.#board.announce();
  }

  #shrink(count: number, drainMs: number): void {
    this.#board.workerCount = count;
    for (const slot of this.#slots.splice(count)) {
      slot.stop(drainMs);
      this.#board.activate(slot.id, undefined);
    }
    this.#board.announce();
  }

  #watchForHangs(): void {
    if (this.#watch !== null) clearInterval(this.#watch);
    const limitMs = (this.#settings.status?.unresponsiveAfterMs ?? 5_000) + HANG_MARGIN_MS;
    const watch = new HangWatch(limitMs, monotonicMs());
    this.#watch = setInterval(() => {
      const now = monotonicMs();
      watch.look(now);
      for (const thread of this.#threads) {
        const silent = thread.record.state === WorkerState.absent;
        if (silent && thread.uptimeMs < STARTUP_LIMIT_MS) continue;
        if (watch.hangs(now, thread.record.heartbeat)) thread.kill(`unresponsive for ${limitMs} ms`);
      }
    }, watch.intervalMs);
  }
}

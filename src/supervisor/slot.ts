import { WorkerState } from "../board/board.ts";
import { noRestarts, nextRestart, type RestartRecord } from "./restart-policy.ts";
import type { WorkerExit, WorkerThread } from "./worker-thread.ts";

/** What a slot needs of its surroundings. */
export interface SlotHost {
  /** Starts a thread for the slot; it is connected with control already. */
  spawn(slot: Slot): WorkerThread;
  /** Points worker id at the thread's record (`null`: at none). */
  activate(slot: Slot, thread: WorkerThread | null): void;
  /** A thread that was not asked to end has ended. */
  crashed(slot: Slot, exit: WorkerExit, restartInMs: number): void;
  /** A thread's record can be given to another. */
  release(thread: WorkerThread): void;
  /** Resolves when the thread runs or has ended. */
  settled(thread: WorkerThread): Promise<void>;
  /** Resolves when the thread takes no connections any more, or has ended, or hangs for `limitMs`. */
  silenced(thread: WorkerThread, limitMs: number): Promise<void>;
}

/**
 * One worker id: the thread that serves it, its successor during a reload, and what
 * happened to its predecessors. At most one start is under way at any time.
 */
export class Slot {
  readonly id: number;
  readonly #host: SlotHost;
  #current: WorkerThread | null = null;
  #successor: WorkerThread | null = null;
  #restart: RestartRecord = noRestarts;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #generation = 0;
  #restarts = 0;
  #lastExit: WorkerExit | null = null;

  constructor(id: number, host: SlotHost) {
    this.id = id;
    this.#host = host;
  }

  get current(): WorkerThread | null {
    return this.#current;
  }

  /** Unasked-for ends of threads since the gateway started. */
  get restarts(): number {
    return this.#restarts;
  }

  get lastExit(): WorkerExit | null {
    return this.#lastExit;
  }

  /** The number for the next thread, counted from 1. */
  nextGeneration(): number {
    return ++this.#generation;
  }

  /** The number of the newest thread; 0: none was started yet. */
  get generation(): number {
    return this.#generation;
  }

  /** Every thread of this slot that has not been told to drain. */
  get threads(): readonly WorkerThread[] {
    return [this.#current, this.#successor].filter((thread) => thread !== null);
  }

  start(): void {
    if (this.#stopped || this.#current !== null) return;
    this.#current = this.#host.spawn(this);
    this.#host.activate(this, this.#current);
    this.#watch(this.#current);
  }

  /**
   * Replaces the thread: the new one listens and has loaded first, then the old one stops
   * listening, then the new one counts and the old one drains. Until it stops the old one counts:
   * it may be behind, and nobody may be told that a revision is in force while it takes
   * connections. Resolves with false, and nothing changed, when the new one did not become
   * ready within `limitMs`. A thread that serves nothing (it has no configuration yet, or
   * waits to be started again) makes room at once: its successor may not get ready either.
   */
  async replace(limitMs: number, drainMs: number): Promise<boolean> {
    if (this.#stopped || this.#successor !== null) return false;
    if (this.#current?.record.state !== WorkerState.running) return this.#startAnew(drainMs);
    const successor = this.#host.spawn(this);
    this.#successor = successor;
    this.#watch(successor);
    const limit = setTimeout(() => successor.kill("did not become ready"), limitMs);
    await this.#host.settled(successor);
    clearTimeout(limit);
    if (this.#successor !== successor) return this.#current === successor;
    if (successor.record.state !== WorkerState.running) {
      this.#successor = null;
      return false;
    }
    const old = this.#current;
    if (old !== null) await this.#host.silenced(old, limitMs);
    if (this.#stopped) return false;
    // The old one listens no more.
    if (this.#successor !== successor) return this.#current === successor || this.#startAnew(drainMs);
    this.#successor = null;
    this.#cancelRestart();
    this.#restart = noRestarts;
    this.#current = successor;
    this.#host.activate(this, successor);
    old?.drain(drainMs);
    return true;
  }

  /** Ends the slot for good; `exited` of its threads tells when they are gone. */
  stop(drainMs: number): void {
    this.#stopped = true;
    this.#cancelRestart();
    for (const thread of this.threads) thread.drain(drainMs);
  }

  #startAnew(drainMs: number): boolean {
    this.#cancelRestart();
    this.#current?.drain(drainMs);
    this.#current = null;
    this.start();
    return true;
  }

  #cancelRestart(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #watch(thread: WorkerThread): void {
    void thread.exited.then((exit) => {
      this.#host.release(thread);
      if (thread === this.#successor) this.#successor = null;
      if (thread !== this.#current) return;
      this.#current = null;
      this.#host.activate(this, null);
      if (!this.#stopped) this.#respawn(exit);
    });
  }

  #respawn(exit: WorkerExit): void {
    this.#restarts++;
    this.#lastExit = exit;
    if (this.#successor !== null) return this.#promote(this.#successor, exit);
    const { delayMs, record } = nextRestart(this.#restart, exit.uptimeMs);
    this.#restart = record;
    this.#host.crashed(this, exit, delayMs);
    if (delayMs === 0) return this.start();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.start();
    }, delayMs);
  }

  /** The old thread died while its successor was being made: the successor takes over as it is. */
  #promote(successor: WorkerThread, exit: WorkerExit): void {
    this.#successor = null;
    this.#current = successor;
    this.#host.activate(this, successor);
    this.#host.crashed(this, exit, 0);
  }
}

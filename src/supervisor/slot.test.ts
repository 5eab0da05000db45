import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { Board, WorkerState } from "../board/board.ts";
import { Slot, type SlotHost } from "./slot.ts";
import type { WorkerExit, WorkerThread } from "./worker-thread.ts";

/** Threads that do what the test tells them, and a log of what the slot asked for. */
class FakeHost implements SlotHost {
  readonly board = new Board();
  readonly threads: FakeThread[] = [];
  readonly log: string[] = [];
  readonly events = new EventEmitter();

  spawn(slot: Slot): WorkerThread {
    const thread = new FakeThread(this, this.threads.length, slot.nextGeneration());
    this.threads.push(thread);
    this.#note(`spawn ${thread.name}`);
    return thread as unknown as WorkerThread;
  }

  activate(_: Slot, thread: WorkerThread | null): void {
    this.#note(`activate ${(thread as unknown as FakeThread | null)?.name ?? "none"}`);
  }

  crashed(_: Slot, exit: WorkerExit, restartInMs: number): void {
    this.#note(`crashed ${exit.cause}, again in ${restartInMs}`);
  }

  release(thread: WorkerThread): void {
    this.#note(`release ${(thread as unknown as FakeThread).name}`);
  }

  async settled(thread: WorkerThread): Promise<void> {
    await Promise.race([(thread as unknown as FakeThread).ready, thread.exited]);
  }

  async silenced(thread: WorkerThread): Promise<void> {
    const { name, deaf, exited } = thread as unknown as FakeThread;
    this.#note(`silence ${name}`);
    await Promise.race([deaf, exited]);
  }

  #note(line: string): void {
    this.log.push(line);
    this.events.emit(line);
  }
}

class FakeThread {
  readonly name: string;
  readonly record: ReturnType<Board["record"]>;
  readonly exited: Promise<WorkerExit>;
  readonly ready: Promise<void>;
  readonly deaf: Promise<void>;
  drained = false;
  #exit: (exit: WorkerExit) => void = () => undefined;
  #run: () => void = () => undefined;
  #stopListening: () => void = () => undefined;

  constructor(host: FakeHost, index: number, generation: number) {
    this.name = `t${generation}`;
    this.record = host.board.record(index);
    this.exited = new Promise((resolve) => (this.#exit = resolve));
    this.ready = new Promise((resolve) => (this.#run = resolve));
    this.deaf = new Promise((resolve) => (this.#stopListening = resolve));
  }

  run(): void {
    this.record.state = WorkerState.running;
    this.#run();
  }

  stopListening(): void {
    this.#stopListening();
  }

  end(cause: string, uptimeMs = 0): void {
    this.record.state = WorkerState.absent;
    this.#exit({ at: 0, uptimeMs, cause });
  }

  kill(cause: string): void {
    this.end(cause);
  }

  drain(): void {
    this.drained = true;
  }
}

function thread(host: FakeHost, index: number): FakeThread {
  const found = host.threads[index];
  assert.ok(found);
  return found;
}

/** A slot that has been started. */
function started(): { readonly host: FakeHost; readonly slot: Slot } {
  const host = new FakeHost();
  const slot = new Slot(0, host);
  slot.start();
  return { host, slot };
}

/** A slot whose thread runs and is being replaced. */
function replacing(): { readonly host: FakeHost; readonly slot: Slot; readonly replaced: Promise<boolean> } {
  const { host, slot } = started();
  thread(host, 0).run();
  return { host, slot, replaced: slot.replace(60_000, 0) };
}

test("a thread that dies is replaced at once, the next one after a delay", async () => {
  const { host, slot } = started();
  thread(host, 0).run();
  thread(host, 0).end("boom");
  await once(host.events, "activate t2");
  thread(host, 1).end("boom again");
  await once(host.events, "activate t3");
  assert.ok(host.log.includes("crashed boom, again in 0"));
  assert.ok(host.log.includes("crashed boom again, again in 100"));
  assert.equal(slot.restarts, 2);
  assert.equal(slot.lastExit?.cause, "boom again");
  slot.stop(0);
});

test("a successor counts only when it runs and the old one listens no more; then the old one drains", async () => {
  const { host, slot, replaced } = replacing();
  const silence = once(host.events, "silence t1");
  thread(host, 1).run();
  await silence;
  assert.equal(slot.current, thread(host, 0), "it may be behind, and still takes connections");
  assert.equal(thread(host, 0).drained, false);
  thread(host, 0).stopListening();
  assert.equal(await replaced, true);
  assert.equal(thread(host, 0).drained, true);
  assert.equal(host.log.at(-1), "activate t2");
  thread(host, 0).end("drained");
  await once(host.events, "release t1");
  assert.equal(slot.restarts, 0);
});

test("deaths before a reload do not delay the start after one that follows it", async () => {
  const { host, slot } = started();
  thread(host, 0).end("boom");
  await once(host.events, "activate t2");
  thread(host, 1).run();
  const replaced = slot.replace(60_000, 0);
  thread(host, 1).stopListening();
  thread(host, 2).run();
  assert.equal(await replaced, true);
  thread(host, 2).end("boom again");
  await once(host.events, "crashed boom again, again in 0");
  slot.stop(0);
});

test("a successor that dies leaves the old one serving", async () => {
  const { host, slot, replaced } = replacing();
  thread(host, 1).end("cannot listen");
  assert.equal(await replaced, false);
  assert.equal(thread(host, 0).drained, false);
  assert.equal(slot.current, thread(host, 0));
});

test("a successor that dies when the old one listens no more is replaced by another", async () => {
  const { host, slot, replaced } = replacing();
  const silence = once(host.events, "silence t1");
  thread(host, 1).run();
  await silence;
  thread(host, 1).end("boom");
  await once(host.events, "release t2");
  thread(host, 0).stopListening();
  assert.equal(await replaced, true);
  assert.equal(thread(host, 0).drained, true);
  assert.equal(slot.current, thread(host, 2));
});

test("when the old one dies while its successor is made, the successor is promoted", async () => {
  const { host, replaced } = replacing();
  thread(host, 0).end("boom");
  await once(host.events, "activate t2");
  thread(host, 1).run();
  assert.equal(await replaced, true);
  assert.equal(host.threads.length, 2, "no third thread was started");
});

test("a slot that waits for its restart is started by a reload, at once and only once", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { host, slot } = started();
  thread(host, 0).end("boom");
  await once(host.events, "activate t2");
  thread(host, 1).end("boom again");
  await once(host.events, "crashed boom again, again in 100");
  assert.equal(slot.current, null);
  assert.equal(await slot.replace(60_000, 0), true);
  assert.equal(slot.current, thread(host, 2));
  t.mock.timers.tick(60_000);
  assert.equal(host.threads.length, 3);
});

test("a thread without a configuration makes room at once: its successor may not get one either", async () => {
  const { host, slot } = started();
  thread(host, 0).record.state = WorkerState.starting;
  assert.equal(await slot.replace(60_000, 0), true);
  assert.equal(thread(host, 0).drained, true);
  assert.equal(slot.current, thread(host, 1));
  thread(host, 0).end("drained");
  await once(host.events, "release t1");
  assert.equal(slot.restarts, 0);
  assert.equal(host.threads.length, 2);
});

test("a stopped slot starts nothing any more", async () => {
  const { host, slot } = started();
  slot.stop(0);
  thread(host, 0).end("drained");
  await once(host.events, "activate none");
  assert.equal(host.threads.length, 1);
  assert.equal(await slot.replace(1, 1), false);
});

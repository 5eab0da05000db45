import { Worker } from "node:worker_threads";

/** Threads that load their modules already and wait for their data, by name. */
const prepared = new Map<string, Worker>();

/**
 * Starts a thread that `spawnThread` will ask for under that name, before its data is known:
 * it loads its modules while the caller finds that out. A thread that nobody asks for waits.
 */
export function prepareThread(file: URL, name: string): void {
  const worker = create(file, name);
  // Whoever asks for it gets a thread that fails in front of them.
  const forget = (): boolean => prepared.delete(name);
  worker.once("error", forget).once("exit", forget);
  prepared.set(name, worker);
}

/**
 * Starts a thread from a source file of ours, which begins with `onThreadData`. All threads
 * are started here, because a URL inside `new Worker` is not rewritten when the sources are built.
 */
export function spawnThread(file: URL, name: string, data: unknown): Worker {
  const worker = prepared.get(name) ?? create(file, name);
  prepared.delete(name);
  worker.postMessage(data);
  return worker;
}

function create(file: URL, name: string): Worker {
  return new Worker(file, { name, stdout: false, stderr: false });
}

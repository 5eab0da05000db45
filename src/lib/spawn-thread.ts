import { Worker } from "node:worker_threads";

/**
 * Starts a thread from a source file of ours. All threads are started here, because
 * a URL inside `new Worker` is not rewritten when the sources are built.
 */
export function spawnThread(file: URL, name: string, data: unknown): Worker {
  return new Worker(file, { workerData: data, name, stdout: false, stderr: false });
}

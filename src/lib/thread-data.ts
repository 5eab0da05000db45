import { type MessagePort, parentPort } from "node:worker_threads";

/**
 * In a thread that `spawnThread` starts: calls `begin` with the data it was given and the port
 * to its owner. What `begin` listens for is not missed, if it begins to listen before it returns.
 */
export function onThreadData<T>(begin: (data: T, owner: MessagePort) => void): void {
  const owner = parentPort;
  if (owner === null) throw new Error("this module is the entry of a thread of the gateway");
  owner.once("message", (data: T) => begin(data, owner));
}

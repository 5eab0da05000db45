import type { MessagePort } from "node:worker_threads";
import { keepCompileCache } from "../lib/compile-cache.ts";
import { onThreadData } from "../lib/thread-data.ts";
import type { SupervisorToWorker, WorkerData, WorkerToSupervisor } from "../messages/messages.ts";
import { DataPlane } from "./data-plane.ts";
import { FaultSwitch } from "./fault-switch.ts";

/** Entry of a worker thread. */
onThreadData(run);

function run(data: WorkerData, supervisor: MessagePort): void {
  const send = (message: WorkerToSupervisor): void => supervisor.postMessage(message);
  const faults = new FaultSwitch(data.faults);
  const dataPlane = new DataPlane(data, faults, send);
  supervisor.on("message", (message: SupervisorToWorker) => {
    if (message.type === "connect") dataPlane.connect(message.port);
    else if (message.type === "stop-listening") {
      void dataPlane.stopListening().then(() => send({ type: "stopped-listening" }));
    } else if (message.type === "drain") void dataPlane.drain(message.timeoutMs).then(() => process.exit());
    else if (message.type === "reopen-logs") dataPlane.reopenLogs();
    else faults.set(message.fault);
  });
  dataPlane.start();
  // All workers load the same modules.
  if (data.slot === 0) keepCompileCache();
}

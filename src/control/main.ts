import type { MessagePort } from "node:worker_threads";
import { keepCompileCache } from "../lib/compile-cache.ts";
import { reasonOf } from "../lib/errors.ts";
import { onThreadData } from "../lib/thread-data.ts";
import type { ControlData, ControlToSupervisor, SupervisorToControl } from "../messages/messages.ts";
import { Control } from "./control.ts";

/** Entry of the control thread. */
onThreadData(run);

function run(data: ControlData, supervisor: MessagePort): void {
  const send = (message: ControlToSupervisor): void => supervisor.postMessage(message);
  const control = new Control(data, send);
  supervisor.on("message", (message: SupervisorToControl) => {
    if (message.type === "connect") control.connect(message.record, message.port);
    else if (message.type === "metrics") control.addMetrics(message.memory);
    else if (message.type === "reopen-logs") control.reopenLogs();
    else
      void control.close().then(() => {
        send({ type: "closed" });
        process.exit();
      });
  });
  control.start().catch((error: unknown) => {
    send({ type: "listen-failed", error: reasonOf(error) });
    process.exit(1);
  });
  keepCompileCache();
}

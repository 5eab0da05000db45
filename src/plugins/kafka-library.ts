import { createRequire } from "node:module";

type Library = typeof import("kafkajs");

/** The part of the library's queue of requests that is put right. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  /** Unix milliseconds until which the broker wants to be left alone; -1: it does not. */
  readonly throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

let library: Library | null = null;

/** Loads the client of Kafka; the first time costs a worker 0.2 s. */
export function loadKafka(): Library {
  return (library ??= load());
}

function load(): Library {
  const require = createRequire(import.meta.url);
  const { prototype } = require("kafkajs/src/network/requestQueue/index.js") as { readonly prototype: RequestQueue };
  const { scheduleCheckPendingRequests: schedule } = prototype;
  // Version 2.2.4 looks at the queue of every connection each millisecond, for ever, and has Node warn
  // of the negative delay with which it does. It needs to look when there is something in the queue.
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
  return require("kafkajs") as Library;
}

import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The heap of a thread that has not done much is smaller. */
const LARGE_BYTES = 48 * 1024 * 1024;

/**
 * A full collection of this thread's heap; empty pages go back to the system. It may take long.
 * V8 collects by itself only when a heap has grown, and cannot know that work is over which
 * has left much behind and will not come again.
 */
export function collectEverything(): void {
  // The function exists only in contexts that are made while the flag is set.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: object) => void;
  setFlagsFromString("--no-expose-gc");
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}

/** The same, where there can be much to collect. */
export function collectIfLarge(): void {
  if (getHeapStatistics().used_heap_size >= LARGE_BYTES) collectEverything();
}

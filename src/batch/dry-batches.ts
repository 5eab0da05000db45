import { BatchProcessor } from "./batch-processor.ts";
import type { Batches } from "./batches.ts";

/** For checking configurations: nobody pushes, so nothing is ever held or sent. */
export const dryBatches: Batches = {
  open: (options, sink) => new BatchProcessor(options, sink, { size: 0, maxSize: 0 }, () => undefined),
  counts: () => [],
  reopen() {},
  drain: () => Promise.resolve(),
};

// Loaded before each test file of `npm test`: property tests draw the same cases in every run.
// With TURNPIKE_TEST_FULL=on, and where a file is run by itself, they draw others each time.
import { readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

// Threads of a test file draw nothing. To load the library costs as much as a small test file, so only those that use it do.
if (isMainThread && readFileSync(process.argv[1], "utf8").includes('"fast-check"')) {
  const { configureGlobal } = await import("fast-check");
  configureGlobal({ seed: 1 });
}

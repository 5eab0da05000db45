import { flushCompileCache } from "node:module";

/** Long enough after the start for the thread to have something better to do than this. */
const AFTER_MS = 2_000;

/**
 * Writes what this thread has compiled to Node's compile cache (`NODE_COMPILE_CACHE`, set by
 * `bin/turnpike`) while it runs. Node itself does that at a clean end only, so a gateway that is
 * always killed would compile everything at every start, and hold the compiler's memory too.
 */
export function keepCompileCache(): void {
  setTimeout(flushCompileCache, AFTER_MS).unref();
}

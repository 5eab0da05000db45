import { createContext, Script } from "node:vm";

/**
 * Bounds what a user's plugin computes once for each configuration. It runs in the thread
 * that serves: in control, which would apply nothing any more, and in every worker.
 */

/** Milliseconds for one call: far longer than on the busiest machine. */
const LIMIT_MS = 1_000;
/** After so many calls that took too long a version is not called any more: all configurations together must not take long either. */
const MAX_LATE = 3;

/** Calls what one version of a plugin brings. */
export interface TimeLimit {
  /** What `work` returns. Throws where it throws, takes too long, or has done so several times; `what` names it. */
  call<T>(what: string, work: () => T): T;
}

/** @param limitMs milliseconds of the clock for one call. */
export function buildTimeLimit(limitMs = LIMIT_MS): TimeLimit {
  let late = 0;
  return {
    call(what, work) {
      if (late >= MAX_LATE) {
        throw new Error(`${what} is not called: ${late} calls of this version have not returned in time`);
      }
      try {
        return watched(work, limitMs);
      } catch (thrown) {
        if ((thrown as { readonly code?: unknown } | null)?.code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw thrown;
        late++;
        throw new Error(`${what} has not returned after ${limitMs / 1_000} s: it loops, or does too much`, {
          cause: thrown,
        });
      }
    },
  };
}

type Watch = (work: () => unknown, limitMs: number) => unknown;
let run: Watch | null = null;

/** Ends `work` when its time is over, wherever it is. */
function watched<T>(work: () => T, limitMs: number): T {
  run ??= createWatch();
  return run(work, limitMs) as T;
}

/** The watchdog of `node:vm` ends whatever runs in the thread, not only what belongs to its context. */
function createWatch(): Watch {
  let current: () => unknown = () => undefined;
  const context = createContext({ call: () => current() });
  const script = new Script("call()");
  return (work, limitMs) => {
    const outer = current;
    current = work;
    try {
      return script.runInContext(context, { timeout: limitMs });
    } finally {
      current = outer;
    }
  };
}

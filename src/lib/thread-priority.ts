import { getPriority, setPriority } from "node:os";

/** How much sooner than the workers this thread gets its turn, as a difference of nice values. */
const AHEAD = 10;
const HIGHEST = -20;
/** The same for a thread that lets them go first, who leave it a tenth of a core where all are busy. */
const BEHIND = 10;

/** On Linux a nice value belongs to a thread, and 0 means the one that calls. */
const CALLING_THREAD = 0;
const normal = process.platform === "linux" ? getPriority(CALLING_THREAD) : 0;
let raised = false;

/**
 * Has the calling thread run before the workers where both could, so that a probe is answered
 * while they saturate every core. Needs CAP_SYS_NICE (root has it); without it nothing changes.
 */
export function raisePriority(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(CALLING_THREAD, Math.max(HIGHEST, normal - AHEAD));
    raised = true;
  } catch {
    // Not allowed: the scheduler's usual fairness has to do.
  }
}

/**
 * Has the calling thread run after the workers where both could, so that changes of the
 * configuration, however many there are, take little from requests. Anybody may; it cannot be
 * taken back without CAP_SYS_NICE, so it is for threads that stay that way.
 */
export function lowerPriority(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(CALLING_THREAD, Math.max(getPriority(CALLING_THREAD), normal + BEHIND));
  } catch {
    // A sandbox forbids it: the scheduler's usual fairness has to do.
  }
}

/** Runs `start`, which starts a thread: a thread has the priority of the one that started it. */
export function atNormalPriority<T>(start: () => T): T {
  if (!raised) return start();
  setPriority(CALLING_THREAD, normal);
  try {
    return start();
  } finally {
    raisePriority();
  }
}

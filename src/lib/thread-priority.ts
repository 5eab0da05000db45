import { getPriority, setPriority } from "node:os";

/** How much sooner than the workers this thread gets its turn, as a difference of nice values. */
const AHEAD = 10;
const HIGHEST = -20;
/** The same for a thread that lets them go first, who leave it a tenth of a core where all are busy. */
const BEHIND = 10;
/** The lowest there is: a seventieth of a core where all are busy, and next to no delay for others. */
const LAST = 19;

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

/** Takes a thread from behind the workers to the end of the queue (`true`), and back. */
export type GoLast = (last: boolean) => void;

/**
 * Has the calling thread run after the workers where both could, so that changes of the
 * configuration, however many there are, take little from requests. Anybody may; it cannot be
 * taken back without CAP_SYS_NICE (or RLIMIT_NICE), so it is for threads that stay that way.
 * With that right it answers with what takes the thread further down and back again, else `null`.
 */
export function lowerPriority(): GoLast | null {
  if (process.platform !== "linux") return null;
  const behind = Math.max(getPriority(CALLING_THREAD), Math.min(LAST, normal + BEHIND));
  try {
    setPriority(CALLING_THREAD, behind);
  } catch {
    // A sandbox forbids it: the scheduler's usual fairness has to do.
    return null;
  }
  return mayReturnTo(behind) ? (last) => setPriority(CALLING_THREAD, last ? LAST : behind) : null;
}

/** Tried with one step down, which costs nothing where the way back is closed. */
function mayReturnTo(value: number): boolean {
  try {
    setPriority(CALLING_THREAD, Math.min(LAST, value + 1));
    setPriority(CALLING_THREAD, value);
    return true;
  } catch {
    return false;
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

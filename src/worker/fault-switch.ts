import type { Fault } from "../messages/messages.ts";

/**
 * Faults that tests inject; see `docs/testing.md`. Off unless the gateway was started
 * with `TURNPIKE_FAULTS`.
 * - `crash`: an uncaught exception ends the thread.
 * - `hang`: an endless loop blocks the thread.
 * - `hold-start`: the thread does not report that it was initialised.
 * - `hold-config`: what control sends is left unread.
 * - `release`: ends a hold.
 */
export class FaultSwitch {
  readonly #held = new Set<Fault>();
  readonly #waiting: { readonly fault: Fault; readonly run: () => void }[] = [];

  constructor(initial: readonly Fault[]) {
    for (const fault of initial) this.#held.add(fault);
  }

  set(fault: Fault | "release"): void {
    if (fault === "release") this.#release();
    else if (fault === "crash") throw new Error("fault: crash");
    else if (fault === "hang") for (;;);
    else this.#held.add(fault);
  }

  /** Runs at once, or when the fault is released. Order is kept. */
  unless(fault: Fault, run: () => void): void {
    if (this.#held.has(fault)) this.#waiting.push({ fault, run });
    else run();
  }

  #release(): void {
    this.#held.clear();
    for (const { run } of this.#waiting.splice(0)) run();
  }
}

/**
 * Decides which threads hang. Pure but for what it remembers of its own timing: when
 * the watcher itself was stopped (a suspended process), every heartbeat looks old, and
 * the workers get one full limit to show that they live.
 */
export class HangWatch {
  readonly #limitMs: number;
  #lastLook: number;
  #mercyUntil = 0;

  /** `limitMs`: age of a heartbeat from which a thread hangs. `now`: a stop before the first look counts from here. */
  constructor(limitMs: number, now: number) {
    this.#limitMs = limitMs;
    this.#lastLook = now;
  }

  /** Milliseconds between two looks. */
  get intervalMs(): number {
    return Math.max(50, Math.min(500, Math.floor(this.#limitMs / 4)));
  }

  /** Call every `intervalMs`, before `hangs`. */
  look(now: number): void {
    if (now - this.#lastLook > this.intervalMs * 3) this.#mercyUntil = now + this.#limitMs;
    this.#lastLook = now;
  }

  /** Whether a thread with this last heartbeat is to be replaced. */
  hangs(now: number, heartbeat: number): boolean {
    return now >= this.#mercyUntil && now - heartbeat > this.#limitMs;
  }
}

/** Random choices that a seed repeats (mulberry32). */
export class Random {
  #state: number;

  /** @param seed any integer; its low 32 bits count. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 … `bound - 1`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * bound);
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)];
    if (choice === undefined) throw new RangeError("nothing to pick from");
    return choice;
  }

  /** Cuts the text into pieces at up to `cuts` places. */
  pieces(text: string, cuts: number): string[] {
    const places = new Set<number>();
    for (let i = this.below(cuts) + 1; i > 0 && text.length > 1; i--) places.add(1 + this.below(text.length - 1));
    const sorted = [...places].sort((a, b) => a - b);
    return [...sorted, text.length].map((end, i) => text.slice(sorted[i - 1] ?? 0, end));
  }
}

/** A seed for the `index`-th message of a run: one number names the message. */
export function seedOf(run: number, index: number): number {
  return (Math.imul(run, 0x9e3779b1) + index) >>> 0;
}

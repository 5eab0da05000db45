import { createHash } from "node:crypto";

/** For how long tickets are made with one key, in milliseconds. */
export const TICKET_KEY_MS = 3_600_000;

/** What threads are given so that their keys are the same. */
export interface TicketSeed {
  /** Hours since 1970 when it counts. */
  readonly epoch: number;
  /** 32 random bytes; never logged, never shown. */
  readonly secret: Uint8Array;
}

/**
 * Keys of session tickets, which every worker derives by itself: each hour's secret is a
 * hash of that of the hour before, which is forgotten, so that what was recorded earlier
 * stays closed even to somebody who reads the memory later. A ticket of an earlier hour costs
 * a full handshake.
 */
export class TicketKeys {
  #epoch: number;
  #secret: Buffer;
  #key: Buffer;

  constructor(seed: TicketSeed) {
    this.#epoch = seed.epoch;
    this.#secret = Buffer.from(seed.secret);
    this.#key = keyOf(this.#secret);
  }

  /** What another thread is to be given at `now` (Unix milliseconds). */
  seedAt(now: number): TicketSeed {
    this.#advance(now);
    return { epoch: this.#epoch, secret: Uint8Array.from(this.#secret) };
  }

  /** The hour whose key is in use at `now`; it never goes back, whatever the clock does. */
  epochAt(now: number): number {
    this.#advance(now);
    return this.#epoch;
  }

  /** 48 bytes: name, MAC key and cipher key. */
  get key(): Buffer {
    return this.#key;
  }

  #advance(now: number): void {
    const epoch = epochOf(now);
    if (epoch <= this.#epoch) return;
    // After a jump of the clock one step is as good as many.
    const steps = Math.min(epoch - this.#epoch, 10_000);
    for (let step = 0; step < steps; step++) this.#secret = createHash("sha256").update(this.#secret).digest();
    this.#epoch = epoch;
    this.#key = keyOf(this.#secret);
  }
}

/** The hour that `now` (Unix milliseconds) is in. */
export function epochOf(now: number): number {
  return Math.floor(now / TICKET_KEY_MS);
}

function keyOf(secret: Uint8Array): Buffer {
  return createHash("sha512").update("session tickets").update(secret).digest().subarray(0, 48);
}

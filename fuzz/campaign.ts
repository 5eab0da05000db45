import { Gateway } from "./gateway.ts";
import { minimised } from "./minimise.ts";
import { checkRequests, checkResponse } from "./properties.ts";
import { seedOf } from "./random.ts";
import { requestStream } from "./requests.ts";
import { responseStream } from "./responses.ts";

/** A stream for which a property does not hold. */
export interface Finding {
  readonly side: "requests" | "response";
  /** Names the stream: `npm run fuzz -- --seed SEED` checks it again. */
  readonly seed: number;
  readonly fault: string;
  /** The shortest stream found that fails, latin1. */
  readonly text: string;
}

/** A run of hostile streams through a gateway of its own. */
export class Campaign {
  /** Streams checked. */
  streams = 0;
  readonly #gateway: Gateway;

  private constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  static async start(): Promise<Campaign> {
    return new Campaign(await Gateway.start());
  }

  close(): Promise<void> {
    return this.#gateway.close();
  }

  /** Goes on until `until` (of `performance.now()`) or the first finding. */
  async run(run: number, until: number): Promise<Finding | null> {
    for (let index = 0; performance.now() < until; index++) {
      const finding = await this.check(seedOf(run, index));
      if (finding !== null) return finding;
    }
    return null;
  }

  /** Checks the streams that the seed names. */
  async check(seed: number): Promise<Finding | null> {
    this.streams += 2;
    const requests = requestStream(seed);
    const fault = await this.#requestFault(requests, seed);
    if (fault !== null) {
      const text = await minimised(requests, async (shorter) => (await this.#requestFault(shorter, seed)) !== null);
      return { side: "requests", seed, fault, text };
    }
    const stream = responseStream(seed);
    const failure = await this.#responseFault(stream.text, seed);
    if (failure === null) return null;
    const text = await minimised(stream.text, async (shorter) => (await this.#responseFault(shorter, seed)) !== null);
    return { side: "response", seed, fault: failure, text };
  }

  async #requestFault(text: string, seed: number): Promise<string | null> {
    return this.#thrown(() => checkRequests(this.#gateway, text, seed));
  }

  async #responseFault(text: string, seed: number): Promise<string | null> {
    return this.#thrown(() => checkResponse(this.#gateway, { ...responseStream(seed), text }, seed));
  }

  /** A hang counts as a fault like any other. */
  async #thrown(check: () => Promise<string | null>): Promise<string | null> {
    try {
      return await check();
    } catch (error) {
      return String(error);
    }
  }
}

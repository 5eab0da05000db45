/**
 * Gives memory back to the system after a crowd of connections. V8 collects only when
 * something is allocated, and keeps the pages then: a worker that 5,000 clients have left
 * held 70 MB more than before for as long as it was idle.
 */

/** Fewer connections than this are not worth a collection. */
const CROWD = 1_000;
/** Of a crowd so much may still be there. */
const LEFT = 0.25;
/** A worker that answers no more than this in one beat is idle: nobody notices a pause of some 50 ms. */
const IDLE_REQUESTS = 4;
/** Beats that it has to be idle for. */
const IDLE_BEATS = 10;

/** Decides when; it is told of the worker at each heartbeat. */
export class MemoryReturn {
  readonly #collect: () => void;
  #most = 0;
  #requests = 0;
  #idleBeats = 0;

  /** @param collect gives back what there is; it may take long. */
  constructor(collect: () => void) {
    this.#collect = collect;
  }

  /** @param connections open now. @param requests answered so far. */
  beat(connections: number, requests: number): void {
    this.#most = Math.max(this.#most, connections);
    this.#idleBeats = requests - this.#requests <= IDLE_REQUESTS ? this.#idleBeats + 1 : 0;
    this.#requests = requests;
    if (this.#most < CROWD || connections > this.#most * LEFT || this.#idleBeats < IDLE_BEATS) return;
    this.#most = connections;
    this.#collect();
  }
}

import { HEALTH_WORDS, HealthTable } from "./health-table.ts";

/**
 * The status board: shared memory in which every worker says what it has done.
 * Readiness is computed from it and from nothing else.
 *
 * Each worker thread owns one record and is the only writer of it, except that
 * the supervisor writes `state` when the thread has gone. A slot (worker id)
 * points at the record of the thread that currently serves it; during a reload
 * the successor fills a record of its own and the slot is turned to it when it is
 * ready. All access is atomic. 64-bit values are read as numbers: revisions and
 * times stay below 2^53.
 */

/** Most workers that can be configured. */
export const MAX_WORKERS = 256;
/** Records: every worker, its successor and predecessors that still drain. */
const MAX_RECORDS = MAX_WORKERS * 4;

/** States of a record; the names are those of `GET /status/workers`. */
export const WorkerState = {
  /** No thread, or a thread that has not reported yet. */
  absent: 0,
  /** The thread runs and has reported; it may still wait for configuration. */
  starting: 1,
  /** Configuration applied and listening on every address. */
  running: 2,
  /** No longer listening; finishing what is in flight. */
  draining: 3,
} as const;
export type WorkerState = (typeof WorkerState)[keyof typeof WorkerState];

const HEADER_WORDS = 8;
const Header = { change: 0, workerCount: 1, draining: 2 } as const;
const HEADER_LONGS = 4;
const HeaderLong = { revision: 0, hash: 1 } as const;
const RECORD_WORDS = 16;
const Word = {
  state: 0,
  slot: 1,
  generation: 2,
  thread: 3,
  connections: 4,
  loopDelayUs: 5,
  upstreamConnections: 6,
  upstreamQueued: 7,
} as const;
const RECORD_LONGS = 8;
const Long = {
  heartbeat: 0,
  revision: 1,
  hash: 2,
  appliedAt: 3,
  startedAt: 4,
  requests: 5,
  connectFailures: 6,
  told: 7,
} as const;

const WORDS = HEADER_WORDS + MAX_WORKERS + MAX_RECORDS * RECORD_WORDS;
const TOTAL_WORDS = WORDS + HEALTH_WORDS;
const LONGS = HEADER_LONGS + MAX_RECORDS * RECORD_LONGS;

/** One worker thread's place on the board. */
export class WorkerRecord {
  readonly index: number;
  readonly #words: Int32Array;
  readonly #longs: BigInt64Array;
  readonly #word: number;
  readonly #long: number;

  constructor(words: Int32Array, longs: BigInt64Array, index: number) {
    this.index = index;
    this.#words = words;
    this.#longs = longs;
    this.#word = HEADER_WORDS + MAX_WORKERS + index * RECORD_WORDS;
    this.#long = HEADER_LONGS + index * RECORD_LONGS;
  }

  #get(word: number): number {
    return Atomics.load(this.#words, this.#word + word);
  }

  #set(word: number, value: number): void {
    Atomics.store(this.#words, this.#word + word, value);
  }

  #getLong(long: number): number {
    return Number(Atomics.load(this.#longs, this.#long + long));
  }

  #setLong(long: number, value: number): void {
    Atomics.store(this.#longs, this.#long + long, BigInt(Math.trunc(value)));
  }

  get state(): WorkerState {
    return this.#get(Word.state) as WorkerState;
  }

  /** Sets the state; call `Board.announce` afterwards so that waiters look again. */
  set state(value: WorkerState) {
    this.#set(Word.state, value);
  }

  /** The worker id this record serves. */
  get slot(): number {
    return this.#get(Word.slot);
  }

  /** How many threads have served this slot before this one, plus one. */
  get generation(): number {
    return this.#get(Word.generation);
  }

  /** `worker_threads.threadId`. */
  get thread(): number {
    return this.#get(Word.thread);
  }

  set thread(value: number) {
    this.#set(Word.thread, value);
  }

  /** Open downstream connections. */
  get connections(): number {
    return this.#get(Word.connections);
  }

  set connections(value: number) {
    this.#set(Word.connections, value);
  }

  /** Open connections to nodes, idle ones included. */
  get upstreamConnections(): number {
    return this.#get(Word.upstreamConnections);
  }

  set upstreamConnections(value: number) {
    this.#set(Word.upstreamConnections, value);
  }

  /** Requests that wait for a connection to a node. */
  get upstreamQueued(): number {
    return this.#get(Word.upstreamQueued);
  }

  set upstreamQueued(value: number) {
    this.#set(Word.upstreamQueued, value);
  }

  /** Longest event-loop delay of the last second, microseconds. */
  get loopDelayUs(): number {
    return this.#get(Word.loopDelayUs);
  }

  set loopDelayUs(value: number) {
    this.#set(Word.loopDelayUs, value);
  }

  /** Monotonic milliseconds of the last heartbeat (`lib/clock.ts`). */
  get heartbeat(): number {
    return this.#getLong(Long.heartbeat);
  }

  set heartbeat(value: number) {
    this.#setLong(Long.heartbeat, value);
  }

  /** The revision this worker has applied; 0: none yet. */
  get revision(): number {
    return this.#getLong(Long.revision);
  }

  /** The hash over what this worker has applied. */
  get hash(): bigint {
    return BigInt.asUintN(64, Atomics.load(this.#longs, this.#long + Long.hash));
  }

  /** Unix milliseconds of the last application; 0: none yet. */
  get appliedAt(): number {
    return this.#getLong(Long.appliedAt);
  }

  /** Unix milliseconds. */
  get startedAt(): number {
    return this.#getLong(Long.startedAt);
  }

  /** Requests answered since the thread started. */
  get requests(): number {
    return this.#getLong(Long.requests);
  }

  set requests(value: number) {
    this.#setLong(Long.requests, value);
  }

  /** Attempts to connect to nodes that came to nothing since the thread started. */
  get connectFailures(): number {
    return this.#getLong(Long.connectFailures);
  }

  set connectFailures(value: number) {
    this.#setLong(Long.connectFailures, value);
  }

  /** Number of the last word of names and services that this worker has taken over (`WorkerTargets`); 0: none yet. */
  get told(): number {
    return this.#getLong(Long.told);
  }

  /** Call `Board.announce` afterwards. */
  set told(value: number) {
    this.#setLong(Long.told, value);
  }

  /**
   * The acknowledgement: written last, after the configuration is compiled, swapped
   * in and every address is being listened on.
   */
  acknowledge(revision: number, hash: bigint, unixMs: number): void {
    Atomics.store(this.#longs, this.#long + Long.hash, BigInt.asIntN(64, hash));
    this.#setLong(Long.appliedAt, unixMs);
    this.#setLong(Long.revision, revision);
  }

  /** Takes the record for a new thread; everything the last owner wrote is cleared. */
  reset(slot: number, generation: number, unixMs: number, monotonic: number): void {
    this.#words.fill(0, this.#word, this.#word + RECORD_WORDS);
    this.#longs.fill(0n, this.#long, this.#long + RECORD_LONGS);
    this.#set(Word.slot, slot);
    this.#set(Word.generation, generation);
    this.#setLong(Long.startedAt, unixMs);
    this.heartbeat = monotonic;
  }
}

/** The whole board; one object per thread over the same memory. */
export class Board {
  readonly memory: SharedArrayBuffer;
  /** The health of nodes. */
  readonly health: HealthTable;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #longs: BigInt64Array<SharedArrayBuffer>;
  readonly #records: WorkerRecord[] = [];

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(TOTAL_WORDS * 4 + LONGS * 8)) {
    this.memory = memory;
    this.#longs = new BigInt64Array(memory, 0, LONGS);
    this.#words = new Int32Array(memory, LONGS * 8, WORDS);
    this.health = new HealthTable(new Int32Array(memory, LONGS * 8 + WORDS * 4, HEALTH_WORDS));
    for (let i = 0; i < MAX_RECORDS; i++) this.#records.push(new WorkerRecord(this.#words, this.#longs, i));
  }

  /** How many records there are. */
  get recordCount(): number {
    return MAX_RECORDS;
  }

  record(index: number): WorkerRecord {
    const record = this.#records[index];
    if (record === undefined) throw new RangeError(`no record ${index}`);
    return record;
  }

  /** Whether every worker that runs has taken over what it was told under this number. */
  haveAllBeenTold(number: number): boolean {
    for (let slot = 0; slot < this.workerCount; slot++) {
      const record = this.active(slot);
      if (record?.state === WorkerState.running && record.told < number) return false;
    }
    return true;
  }

  /** The record that serves worker id `slot`, or `undefined` where none does. */
  active(slot: number): WorkerRecord | undefined {
    const index = Atomics.load(this.#words, HEADER_WORDS + slot) - 1;
    return index < 0 ? undefined : this.#records[index];
  }

  /** Turns worker id `slot` to a record; `undefined`: to none. Supervisor only. */
  activate(slot: number, record: WorkerRecord | undefined): void {
    Atomics.store(this.#words, HEADER_WORDS + slot, record === undefined ? 0 : record.index + 1);
  }

  /** The configured number of workers. */
  get workerCount(): number {
    return Atomics.load(this.#words, Header.workerCount);
  }

  set workerCount(value: number) {
    Atomics.store(this.#words, Header.workerCount, value);
  }

  /** Shutting down, or drained by hand. */
  get draining(): boolean {
    return Atomics.load(this.#words, Header.draining) !== 0;
  }

  set draining(value: boolean) {
    Atomics.store(this.#words, Header.draining, value ? 1 : 0);
  }

  /** The revision that control has published last; 0: nothing was ever loaded. */
  get revision(): number {
    return Number(Atomics.load(this.#longs, HeaderLong.revision));
  }

  /** The hash of the published configuration. */
  get hash(): bigint {
    return BigInt.asUintN(64, Atomics.load(this.#longs, HeaderLong.hash));
  }

  /** Control only: what the workers have, or are about to be sent. */
  publish(revision: number, hash: bigint): void {
    Atomics.store(this.#longs, HeaderLong.hash, BigInt.asIntN(64, hash));
    Atomics.store(this.#longs, HeaderLong.revision, BigInt(revision));
  }

  /** Wakes everybody who waits in `changed`; call after anything that readiness depends on. */
  announce(): void {
    Atomics.add(this.#words, Header.change, 1);
    Atomics.notify(this.#words, Header.change);
  }

  /** A number that moves with every announcement. */
  get changes(): number {
    return Atomics.load(this.#words, Header.change);
  }

  /** Resolves when `changes` is no longer `seen`, without polling. */
  async changed(seen: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#words, Header.change, seen);
    if (wait.async) await wait.value;
  }
}

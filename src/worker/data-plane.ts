import { type MessagePort, threadId } from "node:worker_threads";
import { Board, type WorkerRecord, WorkerState } from "../board/board.ts";
import { CounterTable, holderOf } from "../board/counter-table.ts";
import { MetricMemory } from "../board/metric-memory.ts";
import { MetricWriter } from "../board/metric-writer.ts";
import { createNodeHealth } from "../compile/node-health.ts";
import { createEngine, type WorkerEngine } from "../compile/engine.ts";
import type { CompileFailure } from "../compile/plan.ts";
import { formatHash } from "../lib/content-hash.ts";
import { reasonOf } from "../lib/errors.ts";
import { monotonicMs } from "../lib/clock.ts";
import type { ControlToWorker, WorkerData, WorkerToControl, WorkerToSupervisor } from "../messages/messages.ts";
import { type AccessLog, createAccessLog } from "../observe/access-log.ts";
import { createLogger, type Logger } from "../observe/logger.ts";
import { dryMetrics } from "../plugin/metrics.ts";
import { plugins } from "../plugins/index.ts";
import type { Change } from "../schema/kinds.ts";
import type { FaultSwitch } from "./fault-switch.ts";
import { createHttpServer, type HttpServer } from "./http-server.ts";
import { Scrapes } from "./scrapes.ts";
import { collectEverything, MemoryReturn } from "./memory-return.ts";

const HEARTBEAT_MS = 200;
/** Heartbeats of which the longest delay is shown: a second. */
const SHOWN_DELAYS = 5;

/**
 * What a worker thread does: it follows control, compiles, listens, and acknowledges on
 * the board what it serves. It acknowledges only what it serves: the revision is written
 * after the configuration was swapped in and every address is being listened on.
 */
export class DataPlane {
  readonly #data: WorkerData;
  readonly #faults: FaultSwitch;
  readonly #send: (message: WorkerToSupervisor) => void;
  readonly #board: Board;
  readonly #record: WorkerRecord;
  readonly #log: Logger;
  readonly #accessLog: AccessLog | null;
  /** `null`: nothing is exported. */
  readonly #metrics: MetricWriter | null;
  readonly #scrapes = new Scrapes((id) => this.#post({ type: "scrape", id }));
  readonly #engine: WorkerEngine;
  readonly #server: HttpServer;
  readonly #memory = new MemoryReturn(collectEverything);
  #control: MessagePort | null = null;
  /** The revision in the engine; 0: none. */
  #revision = 0;
  /** Parts of a whole configuration that is still arriving. */
  #chunks: Change[] = [];
  #listening: "not yet" | "opening" | "open" | "closed" = "not yet";
  #heart: NodeJS.Timeout | null = null;
  #lastBeat = monotonicMs();
  /** Milliseconds by which the last heartbeats were late, the newest last. */
  #delays: number[] = [];

  constructor(data: WorkerData, faults: FaultSwitch, send: (message: WorkerToSupervisor) => void) {
    const { settings, slot } = data;
    this.#data = data;
    this.#faults = faults;
    this.#send = send;
    this.#board = new Board(data.board);
    this.#record = this.#board.record(data.record);
    this.#log = createLogger(settings.log, `worker ${slot}`);
    this.#accessLog = settings.log.access === null ? null : createAccessLog(settings.log.access, this.#log);
    const health = settings.healthChecksOff ? null : createNodeHealth(this.#board.health, this.#log);
    const counters = new CounterTable(data.counters, holderOf(this.#record));
    this.#metrics = data.metrics === null ? null : this.#openMetrics(data.metrics);
    const metrics = this.#metrics ?? dryMetrics;
    this.#engine = createEngine({ settings, plugins, log: this.#log, health, counters, metrics });
    this.#server = createHttpServer({
      settings,
      engine: this.#engine,
      certificates: this.#engine.certificates,
      tickets: data.tickets,
      record: this.#record,
      metrics: this.#metrics,
      slot,
      accessLog: this.#accessLog,
      log: this.#log,
    });
  }

  /** Reports on the board that this worker is there, and keeps its heartbeat going. */
  start(): void {
    this.#record.thread = threadId;
    // The record's heartbeat is that of the thread's start, and loading may have taken long.
    this.#beat();
    this.#heart = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#faults.unless("hold-start", () => {
      this.#record.state = WorkerState.starting;
      this.#board.announce();
    });
  }

  /** Follows the control thread at the other end; what was applied stays. */
  connect(port: MessagePort): void {
    this.#control?.close();
    this.#control = port;
    this.#chunks = [];
    port.on("message", (message: ControlToWorker) => {
      this.#faults.unless("hold-config", () => {
        if (this.#control === port) this.#receive(message);
      });
    });
    this.#faults.unless("hold-start", () => this.#introduce());
  }

  /** Stops listening and finishes what is in flight within the limit. */
  async drain(timeoutMs: number): Promise<void> {
    this.#listening = "closed";
    this.#record.state = WorkerState.draining;
    this.#board.announce();
    await this.#server.drain(timeoutMs);
    this.#engine.close();
    await this.#accessLog?.close();
    if (this.#heart !== null) clearInterval(this.#heart);
  }

  reopenLogs(): void {
    this.#log.reopen();
    this.#accessLog?.reopen();
  }

  #openMetrics(memory: SharedArrayBuffer): MetricWriter {
    const { maxSeries, buckets } = this.#data.settings.prometheus!;
    const shape = { maxSeries, buckets: buckets.length };
    return new MetricWriter(new MetricMemory(shape, memory), () => this.#scrapes.ask());
  }

  #introduce(): void {
    this.#post({ type: "hello", revision: this.#revision, hash: formatHash(this.#engine.hash) });
  }

  #receive(message: ControlToWorker): void {
    if (message.type === "dump") {
      this.#post({ type: "dump", revision: this.#revision, resources: this.#engine.resources() });
    } else if (message.type === "exposition") {
      this.#scrapes.answered(message.id, message.text);
    } else if (message.type === "targets") {
      this.#engine.setTargets(message.entries);
    } else if (message.type === "chunk") {
      this.#chunks.push(...message.resources);
    } else if (message.type === "snapshot") {
      const resources = [...this.#chunks, ...message.resources];
      this.#chunks = [];
      this.#applied(message.revision, this.#engine.replace(resources));
    } else if (message.fromRevision === this.#revision) {
      this.#applied(message.revision, this.#engine.apply(message.changes));
    } else {
      this.#introduce();
    }
  }

  #applied(revision: number, failures: readonly CompileFailure[]): void {
    for (const failure of failures) {
      this.#log.error(`${failure.kind}/${failure.id} could not be compiled: ${failure.error}`);
      this.#send({ type: "compile-failed", ...failure });
    }
    this.#revision = revision;
    if (this.#listening === "open") this.#acknowledge();
    else if (this.#listening === "not yet") void this.#listen();
  }

  async #listen(): Promise<void> {
    this.#listening = "opening";
    try {
      const addresses = await this.#server.listen(this.#data.settings.http.listen);
      if (this.#closed()) return;
      this.#listening = "open";
      this.#acknowledge();
      this.#send({ type: "listening", addresses });
    } catch (error) {
      this.#send({ type: "listen-failed", error: reasonOf(error) });
      throw error;
    }
  }

  /** Draining may have begun while the addresses were being opened. */
  #closed(): boolean {
    return this.#listening === "closed";
  }

  #acknowledge(): void {
    this.#record.acknowledge(this.#revision, this.#engine.hash, Date.now());
    this.#record.state = WorkerState.running;
    this.#board.announce();
  }

  #beat(): void {
    const now = monotonicMs();
    this.#delays.push(Math.max(0, now - this.#lastBeat - HEARTBEAT_MS));
    if (this.#delays.length > SHOWN_DELAYS) this.#delays.shift();
    this.#record.loopDelayUs = Math.max(...this.#delays) * 1_000;
    this.#record.heartbeat = now;
    this.#lastBeat = now;
    this.#server.flushCounters();
    this.#metrics?.sweep();
    this.#memory.beat(this.#record.connections, this.#record.requests);
  }

  #post(message: WorkerToControl): void {
    this.#control?.postMessage(message);
  }
}

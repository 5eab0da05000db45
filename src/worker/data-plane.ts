import { type MessagePort, threadId } from "node:worker_threads";
import { createBatches } from "../batch/batches.ts";
import { Board, type WorkerRecord, WorkerState } from "../board/board.ts";
import { CounterTable, holderOf } from "../board/counter-table.ts";
import { MetricMemory } from "../board/metric-memory.ts";
import { MetricWriter } from "../board/metric-writer.ts";
import { createNodeHealth } from "../compile/node-health.ts";
import { createEngine, type WorkerEngine } from "../compile/engine.ts";
import type { CompileFailure } from "../compile/plan.ts";
import { collectEverything, collectIfLarge } from "../lib/collect-garbage.ts";
import { formatHash } from "../lib/content-hash.ts";
import { reasonOf } from "../lib/errors.ts";
import { monotonicMs } from "../lib/clock.ts";
import type { ControlToWorker, WorkerData, WorkerToControl, WorkerToSupervisor } from "../messages/messages.ts";
import { type AccessLog, createAccessLog } from "../observe/access-log.ts";
import { createLogger, type Logger } from "../observe/logger.ts";
import { dryMetrics } from "../plugin/metrics.ts";
import { plugins } from "../plugins/index.ts";
import { connectCaches, hearNews } from "../plugins/proxy-cache-news.ts";
import { surviveUserErrors } from "../plugins/user/stray-errors.ts";
import { WorkerPlugins } from "../plugins/user/user-plugin-table.ts";
import type { Change } from "../schema/kinds.ts";
import type { FaultSwitch } from "./fault-switch.ts";
import { BatchMetrics } from "./batch-metrics.ts";
import { setDefaultAuthorities } from "./default-authorities.ts";
import { OrderedInbox } from "./ordered-inbox.ts";
import { createHttpServer, type HttpServer } from "./http-server.ts";
import { loadStreams } from "./rare-parts.ts";
import { Scrapes } from "./scrapes.ts";
import type { StreamServer } from "./stream/stream-server.ts";
import { MemoryReturn } from "./memory-return.ts";

const HEARTBEAT_MS = 200;
/** Heartbeats of which the longest delay is shown: a second. */
const SHOWN_DELAYS = 5;

/** Time for what log plugins have gathered, within the deadline of the drain; the second where requests took all of it. */
const BATCH_DRAIN_MS = 5_000;
const BATCH_DRAIN_MIN_MS = 300;

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
  readonly #plugins: WorkerPlugins;
  readonly #engine: WorkerEngine;
  readonly #server: HttpServer;
  readonly #batches = createBatches();
  readonly #batchMetrics: BatchMetrics;
  /** TCP and UDP; `null`: not proxied. */
  readonly #streams: StreamServer | null;
  readonly #streamLog: AccessLog | null;
  readonly #memory = new MemoryReturn(collectEverything);
  #control: MessagePort | null = null;
  /** The revision in the engine; 0: none. */
  #revision = 0;
  /** Parts of a whole configuration that is still arriving. */
  #chunks: Change[] = [];
  /** Something of what was sent ahead cannot be compiled, maybe for want of what comes later. */
  #stumbled = false;
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
    if (settings.trustedCertificates !== null) setDefaultAuthorities(settings.trustedCertificates, this.#log);
    const health = settings.healthChecksOff ? null : createNodeHealth(this.#board.health, this.#log);
    const counters = new CounterTable(data.counters, holderOf(this.#record));
    this.#metrics = data.metrics === null ? null : this.#openMetrics(data.metrics);
    const metrics = this.#metrics ?? dryMetrics;
    const batches = this.#batches;
    this.#batchMetrics = new BatchMetrics(batches, metrics);
    if (settings.extraPlugins.length > 0) surviveUserErrors(this.#log);
    const users = (this.#plugins = new WorkerPlugins(settings.prefix));
    connectCaches((zone, news) => this.#post({ type: "cache-news", zone, news }));
    this.#engine = createEngine({
      settings,
      plugins: users.over(plugins),
      adoptPlugin: (id, text) => users.adopt(id, text),
      log: this.#log,
      health,
      counters,
      batches,
      metrics,
    });
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
    const { stream } = settings;
    this.#streamLog = stream === null || stream.access === null ? null : createAccessLog(stream.access, this.#log);
    this.#streams =
      stream === null
        ? null
        : new (loadStreams().StreamServer)({
            settings: stream,
            workerConnections: settings.http.workerConnections,
            certificates: this.#engine.certificates,
            tickets: data.tickets,
            match: (ends) => this.#engine.matchStream(ends),
            record: this.#record,
            metrics: this.#metrics,
            slot,
            accessLog: this.#streamLog,
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
    const inbox = new OrderedInbox<ControlToWorker>(
      (message) => this.#plugins.prepare(changesOf(message)),
      (message) => {
        if (this.#control === port) this.#receive(message);
      },
    );
    port.on("message", (message: ControlToWorker) => {
      this.#faults.unless("hold-config", () => inbox.push(message));
    });
    this.#faults.unless("hold-start", () => this.#introduce());
  }

  /** Takes no connections any more; what is connected is served as before. */
  async stopListening(): Promise<void> {
    this.#listening = "closed";
    await Promise.all([this.#server.stopListening(), this.#streams?.stopListening()]);
  }

  /** Stops listening and finishes what is in flight within the limit. */
  async drain(timeoutMs: number): Promise<void> {
    this.#listening = "closed";
    this.#record.state = WorkerState.draining;
    this.#board.announce();
    const deadline = monotonicMs() + timeoutMs;
    await Promise.all([this.#server.drain(timeoutMs), this.#streams?.drain(timeoutMs)]);
    this.#engine.close();
    await this.#batches.drain(Math.min(BATCH_DRAIN_MS, Math.max(BATCH_DRAIN_MIN_MS, deadline - monotonicMs())));
    this.#batchMetrics.publish();
    await this.#accessLog?.close();
    await this.#streamLog?.close();
    if (this.#heart !== null) clearInterval(this.#heart);
  }

  reopenLogs(): void {
    this.#log.reopen();
    void this.#accessLog?.reopen();
    void this.#streamLog?.reopen();
    this.#batches.reopen();
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
      const [resources, targets] = [this.#engine.resources(), this.#engine.targets()];
      this.#post({ type: "dump", revision: this.#revision, resources, targets });
    } else if (message.type === "exposition") {
      this.#scrapes.answered(message.id, message.text);
    } else if (message.type === "cache-news") {
      hearNews(message.zone, message.news);
    } else if (message.type === "targets") {
      this.#engine.setTargets(message.entries);
      this.#record.told = message.told;
      this.#board.announce();
    } else if (message.type === "staples") {
      this.#engine.certificates.setStaples(message.staples, Date.now());
    } else if (message.type === "ahead") {
      if (this.#engine.apply(message.resources).length > 0) this.#stumbled = true;
    } else if (message.type === "chunk") {
      this.#chunks.push(...message.resources);
    } else if (message.type === "snapshot") {
      const resources = [...this.#chunks, ...message.resources];
      this.#chunks = [];
      this.#applied(message.revision, this.#engine.replace(resources));
    } else if (message.fromRevision === this.#revision && !this.#stumbled) {
      this.#applied(message.revision, this.#engine.apply(message.changes));
    } else {
      this.#stumbled = false;
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
    // Of what the first load leaves behind; later V8 would do it while requests are answered.
    collectIfLarge();
    try {
      const addresses = await this.#server.listen(this.#data.settings.http.listen);
      if (this.#streams !== null) addresses.push(...(await this.#streams.listen()));
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
    this.#batchMetrics.beat();
    this.#metrics?.sweep();
    this.#streams?.addCounters();
    this.#memory.beat(this.#record.connections, this.#record.requests);
  }

  #post(message: WorkerToControl): void {
    this.#control?.postMessage(message);
  }
}

/** The changes that a message brings. */
function changesOf(message: ControlToWorker): readonly Change[] {
  if (message.type === "batch") return message.changes;
  return "resources" in message ? message.resources : [];
}

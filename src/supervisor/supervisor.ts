import { hostname } from "node:os";
import { setTimeout } from "node:timers/promises";
import { Board, WorkerState } from "../board/board.ts";
import { GatewayVitals } from "../board/gateway-vitals.ts";
import { formatHash } from "../lib/content-hash.ts";
import { reasonOf, TurnpikeError } from "../lib/errors.ts";
import { monotonicMs } from "../lib/clock.ts";
import type {
  CheckedNodes,
  ConfigReport,
  ControlToSupervisor,
  DiscoveryReport,
  FleetReport,
  Fault,
  WorkerToSupervisor,
} from "../messages/messages.ts";
import type { Logger } from "../observe/logger.ts";
import { addressesOverlap } from "../settings/address.ts";
import type { Address, Settings, StatusSettings } from "../settings/settings.ts";
import { Journal } from "../status/journal.ts";
import { createStatusServer, type StatusServer } from "../status/server.ts";
import { createStatusWatch, type StatusWatch } from "../status/transitions.ts";
import { ControlThread } from "./control-thread.ts";
import { MetricMemories } from "./metric-memories.ts";
import { listenFailure, probeAddress } from "./probe-address.ts";
import type { ServiceState } from "./service-manager.ts";
import type { WorkerExit } from "./worker-thread.ts";
import { readMigrateReq } from "./tcp-migrate-req.ts";
import { WorkerPool } from "./worker-pool.ts";

/** The Status API judges by this limit where it is turned off (hangs are still ended). */
const DEFAULT_UNRESPONSIVE_MS = 5_000;
/** Start-up is over after this time even if a worker has not reported. */
const STARTUP_LIMIT_MS = 60_000;

export interface SupervisorOptions {
  readonly settings: Settings;
  readonly log: Logger;
  readonly faults: ReadonlyMap<number, readonly Fault[]>;
}

/**
 * The supervisor: owns the board, the threads and the Status API. It carries no traffic
 * and parses no resources, so that its answers never wait for anything.
 */
export class Supervisor {
  readonly #board = new Board();
  readonly #vitals = new GatewayVitals();
  readonly #metrics = new MetricMemories((memory) => this.#control.addMetrics(memory));
  readonly #journal = new Journal();
  readonly #log: Logger;
  readonly #pool: WorkerPool;
  readonly #control: ControlThread;
  readonly #watch: StatusWatch;
  readonly #startedAt = Date.now();
  readonly #startedMonotonic = monotonicMs();
  #settings: Settings;
  #status: { readonly server: StatusServer; readonly settings: StatusSettings } | null = null;
  #config: ConfigReport;
  /** `null`: the source is not etcd. */
  #fleet: FleetReport | null;
  #discovery: readonly DiscoveryReport[] = [];
  #started = false;
  #checked: CheckedNodes = { upstreams: [], unlisted: 0 };
  #stopping = false;
  #reloading = false;
  #nextSettings: Settings | null = null;
  #allReported = false;
  #everListened = false;
  #refuse: ((error: Error) => void) | null = null;

  constructor({ settings, log, faults }: SupervisorOptions) {
    this.#settings = settings;
    this.#log = log;
    this.#config = neverLoaded(settings.source.kind);
    this.#fleet = fleetOf(settings);
    this.#metrics.configure(settings);
    this.#vitals.started(this.#startedAt);
    const unresponsiveAfterMs = (): number => this.#settings.status?.unresponsiveAfterMs ?? DEFAULT_UNRESPONSIVE_MS;
    this.#watch = createStatusWatch({
      board: this.#board,
      get unresponsiveAfterMs() {
        return unresponsiveAfterMs();
      },
      journal: this.#journal,
      log,
      config: () => this.#config,
      fleet: () => this.#fleet,
      checked: () => this.#checked,
      discovery: () => this.#discovery,
      startingUp: () => this.#startingUp(),
      measured: (durationMs) => this.#vitals.changed(durationMs),
    });
    this.#watch.onChange(({ readiness, liveness }) => this.#vitals.judged(readiness === null, liveness === null));
    this.#journal.subscribe((record) => this.#vitals.note(record));
    this.#control = new ControlThread(this.#board, this.#vitals, settings, {
      message: (message) => this.#fromControl(message),
      metrics: () => this.#metrics.all,
      replaced: () => this.#pool.reconnect(),
      exited: (cause, delay) => {
        this.#journal.add({ type: "control-exited", cause });
        log.error(`control thread ended: ${cause}; it is started again in ${delay} ms; traffic is not affected`);
      },
    });
    this.#pool = new WorkerPool(this.#board, settings, faults, this.#metrics, {
      connect: (record, port) => this.#control.connect(record, port),
      started: (worker, generation) => this.#workerStarted(worker, generation),
      exited: (worker, exit, delay) => this.#workerExited(worker, exit, delay),
      message: (worker, message) => this.#fromWorker(worker, message),
    });
  }

  /**
   * Opens the Status API and starts the threads. Resolves when every thread was started,
   * which is before the gateway is ready; rejects with TurnpikeError where an address is
   * taken, and nothing runs then.
   */
  async start(): Promise<void> {
    const settings = this.#settings;
    for (const { what, address, udp } of listenersOf(settings)) await probeAddress(what, address, udp);
    await this.#openStatus(settings);
    this.#board.workerCount = settings.workers;
    this.#control.start();
    this.#pool.start();
    this.#started = true;
  }

  /** What a service manager is told of. */
  get serviceState(): ServiceState {
    return {
      readiness: () => (this.#started ? this.#watch.readiness() : "starting"),
      liveness: () => this.#watch.liveness(),
      revision: () => this.#config.revision,
      onChange: (listener) => this.#watch.onChange(listener),
    };
  }

  /** Rejects when a thread finds, before the gateway was ever ready, that it cannot listen. Never resolves. */
  async refused(): Promise<never> {
    return await new Promise((_, reject) => {
      this.#refuse = reject;
    });
  }

  /**
   * Puts new settings in force: listeners of operators first, then the workers one by
   * one. While a reload is under way the newest settings wait for their turn.
   */
  async reload(settings: Settings): Promise<void> {
    this.#nextSettings = settings;
    if (this.#reloading) return;
    this.#reloading = true;
    for (let next = this.#takeNext(); next !== null; next = this.#takeNext()) {
      try {
        await this.#reloadOnce(next);
      } catch (error) {
        this.reloadFailed(reasonOf(error));
      }
    }
    this.#reloading = false;
  }

  #takeNext(): Settings | null {
    const next = this.#stopping ? null : this.#nextSettings;
    this.#nextSettings = null;
    return next;
  }

  /** Throws, and nothing changed, where a new address is taken. */
  async #reloadOnce(settings: Settings): Promise<void> {
    const began = monotonicMs();
    await this.#probeNewAddresses(settings);
    this.#journal.add({ type: "reload", cause: "begun" });
    this.#noteWhatMayBeLost();
    await this.#openStatus(settings);
    this.#settings = settings;
    this.#fleet = fleetOf(settings);
    // What a source must still deliver is told anew, where it is still configured.
    this.#discovery = this.#discovery.filter(({ ready }) => ready);
    this.#metrics.configure(settings);
    this.#checked = { upstreams: [], unlisted: 0 };
    await this.#control.reload(settings);
    // A signal may have come meanwhile: then nothing is started any more.
    if (this.#stopping) return;
    const failed = await this.#pool.reload(settings);
    if (this.#stopping) return;
    const durationMs = monotonicMs() - began;
    this.#vitals.reloaded(failed.length === 0);
    const cause = failed.length === 0 ? "done" : `workers ${failed.join(", ")} keep the old settings`;
    this.#journal.add({ type: "reload", cause, durationMs });
    this.#log.info(`reload: ${cause} (${durationMs} ms)`);
  }

  /** Says so in the journal and the log; everything goes on as before. */
  reloadFailed(reason: string): void {
    this.#vitals.reloaded(false);
    this.#journal.add({ type: "reload", cause: `refused: ${reason}` });
    this.#log.error(`reload refused: ${reason}`);
  }

  /**
   * Drains and ends everything within `apisix.shutdown_delay` plus
   * `nginx_config.worker_shutdown_timeout`; the Status API goes last.
   */
  async shutdown(cause: string): Promise<void> {
    this.#stopping = true;
    this.#board.draining = true;
    this.#board.announce();
    this.#journal.add({ type: "drain", on: true, cause });
    const { delayMs, timeoutMs } = this.#settings.shutdown;
    this.#log.info(`${cause}: shutting down (delay ${delayMs} ms, at most ${timeoutMs} ms for requests in flight)`);
    if (delayMs > 0) await setTimeout(delayMs);
    await this.#pool.stop(timeoutMs);
    await this.#control.close();
    this.#watch.close();
    await this.#status?.server.close();
    this.#log.info(`stopped after ${monotonicMs() - this.#startedMonotonic} ms`);
  }

  /** Opens all log files anew (log rotation). */
  reopenLogs(): void {
    this.#log.reopen();
    this.#control.reopenLogs();
    this.#pool.reopenLogs();
  }

  /** Start-up ends when every worker has reported once, or after its limit. */
  #startingUp(): boolean {
    if (this.#stopping) return true;
    if (this.#allReported || monotonicMs() - this.#startedMonotonic > STARTUP_LIMIT_MS) return false;
    this.#allReported = this.#pool.slots.length > 0 && this.#pool.slots.every((slot) => this.#reported(slot.id));
    return !this.#allReported;
  }

  #reported(slot: number): boolean {
    return (this.#board.active(slot)?.state ?? WorkerState.absent) !== WorkerState.absent;
  }

  /**
   * The new server listens before the old one goes; on the same address it is the old one. Where
   * both need the same port (`127.0.0.1` becomes `0.0.0.0`) the old one makes room first, and
   * comes back when the new one cannot listen.
   */
  async #openStatus(settings: Settings): Promise<void> {
    const old = this.#status;
    const next = settings.status;
    if (old !== null && next !== null && sameAddress(old.settings, next)) {
      old.server.allow(next);
      return;
    }
    const inTheWay = old !== null && next !== null && addressesOverlap(old.settings, next);
    // A server stops listening at once; what is waited for is the end of its connections.
    const gone = inTheWay ? old.server.close() : null;
    try {
      this.#status = next === null ? null : await this.#listenStatus(next);
    } catch (error) {
      if (inTheWay) this.#status = await this.#listenStatus(old.settings);
      throw error;
    }
    await (gone ?? old?.server.close());
  }

  async #listenStatus(settings: StatusSettings): Promise<{ server: StatusServer; settings: StatusSettings }> {
    const server = createStatusServer({
      board: this.#board,
      settings,
      journal: this.#journal,
      watch: this.#watch,
      config: () => this.#config,
      fleet: () => this.#fleet,
      checked: () => this.#checked,
      role: this.#settings.role,
      slots: () => this.#pool.slots,
      startedAt: this.#startedAt,
    });
    try {
      await server.listen(settings);
    } catch (error) {
      const reason = listenFailure("status", settings, error as NodeJS.ErrnoException);
      throw new TurnpikeError("ADDRESS_IN_USE", reason, error);
    }
    return { server, settings };
  }

  /** Addresses must be free, except where it is this gateway that holds them. */
  async #probeNewAddresses(settings: Settings): Promise<void> {
    const old = [...listenersOf(this.#settings), ...statusListener(this.#settings)];
    for (const { what, address, udp } of [...listenersOf(settings), ...statusListener(settings)]) {
      const held = old.some((known) => known.udp === udp && addressesOverlap(known.address, address));
      if (!held) await probeAddress(what, address, udp);
    }
  }

  #noteWhatMayBeLost(): void {
    if (readMigrateReq()) return;
    this.#log.warn(
      "reload: without net.ipv4.tcp_migrate_req=1 a few connections that wait in the queue of a replaced worker may be reset",
    );
  }

  #fromControl(message: ControlToSupervisor): void {
    if (message.type === "config") {
      this.#config = { rejected: this.#config.rejected, ...message.report };
      this.#watch.refresh();
    } else if (message.type === "discovery") {
      // A control thread that is new begins anew; the workers have kept what its predecessor found.
      const known = new Set(this.#discovery.filter(({ ready }) => ready).map(({ name }) => name));
      this.#discovery = message.sources.map((source) =>
        known.has(source.name) ? { name: source.name, ready: true, told: 0 } : source,
      );
      this.#watch.refresh();
    } else if (message.type === "fleet") {
      this.#fleet = message.report;
      this.#watch.refresh();
    } else if (message.type === "checked-nodes") this.#checked = message.report;
    else if (message.type === "drain") this.#drainByHand(message.on);
    else if (message.type === "fault") this.#pool.fault(message.worker, message.fault);
    else if (message.type === "listen-failed") this.#controlFailed(message.error);
  }

  /** Nobody follows the source until a control thread can be started. */
  #controlFailed(error: string): void {
    if (this.#everListened) {
      this.#config = { ...this.#config, lastFailure: { at: Date.now(), error, current: true } };
      this.#watch.refresh();
    }
    this.#cannotListen(error);
  }

  #fromWorker(worker: number, message: WorkerToSupervisor): void {
    if (message.type === "listen-failed") this.#cannotListen(`worker ${worker}: ${message.error}`);
    else if (message.type === "listening") this.#everListened = true;
    else if (message.type === "compile-failed") {
      const { kind, id, error } = message;
      this.#log.error(`worker ${worker}: ${kind}/${id} was accepted but not compiled: ${error}`);
    }
  }

  #cannotListen(reason: string): void {
    if (this.#everListened) this.#log.error(reason);
    else this.#refuse?.(new TurnpikeError("ADDRESS_IN_USE", reason));
  }

  #drainByHand(on: boolean): void {
    if (this.#stopping || this.#board.draining === on) return;
    this.#board.draining = on;
    this.#board.announce();
    this.#journal.add({ type: "drain", on, cause: "Control API" });
    this.#log.info(on ? "drained by hand" : "drain by hand ended");
  }

  #workerStarted(worker: number, generation: number): void {
    const slot = this.#pool.slots[worker];
    if (slot === undefined || slot.current !== null || slot.lastExit === null) {
      this.#journal.add({ type: "worker-started", worker, generation });
    } else {
      const { restarts, lastExit } = slot;
      this.#journal.add({ type: "worker-respawned", worker, generation, restarts, cause: lastExit.cause });
    }
  }

  #workerExited(worker: number, exit: WorkerExit, restartInMs: number): void {
    const generation = this.#pool.slots[worker]?.generation ?? 0;
    this.#journal.add({ type: "worker-exited", worker, generation, cause: exit.cause });
    this.#log.error(`worker ${worker} ended: ${exit.cause}; it is started again in ${restartInMs} ms`);
  }
}

/** What other programs may hold; the Status API finds out by itself when it listens. */
function listenersOf(settings: Settings): readonly Listened[] {
  const { http, stream, control, prometheus } = settings;
  const metrics = prometheus?.listen ?? null;
  return [
    ...http.listen.map((address) => ({ what: address.tls ? "https listen" : "http listen", address })),
    ...(stream?.tcp ?? []).map((address) => ({ what: "stream tcp", address })),
    ...(stream?.udp ?? []).map((address) => ({ what: "stream udp", address, udp: true })),
    ...(control === null ? [] : [{ what: "control", address: control }]),
    ...(metrics === null ? [] : [{ what: "prometheus", address: metrics }]),
  ];
}

/** An address, and what it is for. */
interface Listened {
  readonly what: string;
  readonly address: Address;
  readonly udp?: boolean;
}

function statusListener(settings: Settings): readonly Listened[] {
  return settings.status === null ? [] : [{ what: "status", address: settings.status }];
}

function sameAddress(a: Address, b: Address): boolean {
  return a.ip === b.ip && a.port === b.port;
}

/** The fleet before control has told of it: somebody may be there. */
function fleetOf({ source }: Settings): FleetReport | null {
  if (source.kind !== "etcd") return null;
  return { id: hostname(), others: [], revision: 0, changedAt: 0, error: "not read yet" };
}

function neverLoaded(source: string): ConfigReport {
  const hash = formatHash(0n);
  return { source, revision: 0, hash, loadedAt: 0, lastChangeAt: 0, lastFailure: null, rejected: [] };
}

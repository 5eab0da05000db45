import type { Server } from "node:http";
import type { MessagePort } from "node:worker_threads";
import type { Board } from "../board/board.ts";
import { TurnpikeError } from "../lib/errors.ts";
import type { ControlToSupervisor } from "../messages/messages.ts";
import { createLogger, type Logger } from "../observe/logger.ts";
import type { Settings } from "../settings/settings.ts";
import { Store } from "../store/store.ts";
import { Configuration } from "./configuration.ts";
import { ConfigReporter } from "./config-reporter.ts";
import { type ControlActions, createControlApi, type FaultActions, listenControlApi } from "./control-api.ts";
import type { Fleet } from "./fleet/fleet.ts";
import { keptNodeId } from "./fleet/node-id.ts";
import { type OpenSource, openSource } from "./open-source.ts";
import { Publisher } from "./publisher.ts";
import { resourceCheckFor } from "./resource-check.ts";

/** How long a new control thread waits for a worker to tell what is being served. */
const INHERIT_LIMIT_MS = 2_000;

/**
 * The control thread: the only one that talks to the configuration source. Documents
 * go through the store; what the store accepts goes to the workers.
 */
export class Control {
  readonly #settings: Settings;
  readonly #board: Board;
  readonly #send: (message: ControlToSupervisor) => void;
  readonly #log: Logger;
  readonly #publisher: Publisher;
  readonly #reporter: ConfigReporter;
  #open: OpenSource | null = null;
  /** `null`: the source is not etcd. */
  #fleet: Fleet | null = null;
  #api: Server | null = null;

  constructor(settings: Settings, board: Board, send: (message: ControlToSupervisor) => void) {
    this.#settings = settings;
    this.#board = board;
    this.#send = send;
    this.#log = createLogger(settings.log, "control");
    this.#publisher = new Publisher(board);
    this.#reporter = new ConfigReporter(settings.source.kind, (report) => send({ type: "config", report }));
  }

  /** Opens the Control API, takes over what is being served, then follows the source. */
  async start(): Promise<void> {
    this.#open = await openSource(this.#settings.source, this.#log);
    await this.#listen();
    const revision = this.#board.revision;
    const inherited = revision > 0 ? await this.#publisher.inherited(INHERIT_LIMIT_MS) : null;
    const check = resourceCheckFor(this.#settings);
    const store = new Store({ ...check, revision, inherited: inherited?.resources ?? [] });
    const parts = { store, publisher: this.#publisher, reporter: this.#reporter, log: this.#log };
    const configuration = new Configuration(parts);
    if (inherited !== null) {
      this.#reporter.inherited(revision, store.hash, Date.now());
      configuration.serve();
    }
    this.#fleet = await this.#joinFleet(this.#open, store);
    this.#open.source.start(this.#fleet?.observe(configuration) ?? configuration);
  }

  /** Takes over the line to the worker that owns the record. */
  connect(record: number, port: MessagePort): void {
    this.#publisher.connect(record, port);
  }

  reopenLogs(): void {
    this.#log.reopen();
  }

  async close(): Promise<void> {
    await this.#fleet?.close();
    await this.#open?.source.close();
    const api = this.#api;
    if (api !== null) {
      api.closeAllConnections();
      await new Promise((resolve) => api.close(resolve));
    }
    this.#publisher.close();
  }

  async #listen(): Promise<void> {
    const address = this.#settings.control;
    if (address === null) return this.#send({ type: "listening", address: null });
    this.#api = createControlApi(this.#actions());
    try {
      this.#send({ type: "listening", address: await listenControlApi(this.#api, address) });
    } catch (error) {
      throw new TurnpikeError("ADDRESS_IN_USE", `control ${address.ip}:${address.port}: ${String(error)}`, error);
    }
  }

  async #joinFleet({ etcd }: OpenSource, store: Store): Promise<Fleet | null> {
    const { source, prefix, role, nodeId: given } = this.#settings;
    if (etcd === null || source.kind !== "etcd") return null;
    const { createFleet } = await import("./fleet/fleet.ts");
    return createFleet({
      cluster: etcd.cluster,
      board: this.#board,
      resourcePrefix: source.etcd.prefix,
      watchTimeoutMs: source.etcd.watchTimeoutMs,
      id: given ?? keptNodeId(prefix, this.#log),
      role,
      rejected: () => store.rejected,
      report: (report) => this.#send({ type: "fleet", report }),
      log: this.#log,
    });
  }

  #actions(): ControlActions {
    return {
      drain: (on) => this.#send({ type: "drain", on }),
      faults: process.env.TURNPIKE_FAULTS === undefined ? null : this.#faults(),
    };
  }

  #faults(): FaultActions {
    return {
      worker: (worker, fault) => this.#send({ type: "fault", worker, fault }),
      pauseControl: (ms) => {
        setImmediate(() => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms));
      },
      crashControl: () => {
        setImmediate(() => {
          throw new Error("fault: control-crash");
        });
      },
    };
  }
}

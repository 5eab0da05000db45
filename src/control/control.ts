import type { Server } from "node:http";
import type { MessagePort } from "node:worker_threads";
import type { Board } from "../board/board.ts";
import { TurnpikeError } from "../lib/errors.ts";
import type { ControlToSupervisor } from "../messages/messages.ts";
import { createLogger, type Logger } from "../observe/logger.ts";
import type { Settings, SourceSettings } from "../settings/settings.ts";
import { createJsonFileSource } from "../source/json-file.ts";
import type { Source } from "../source/source.ts";
import { createYamlFileSource } from "../source/yaml-file.ts";
import { Store } from "../store/store.ts";
import { Configuration } from "./configuration.ts";
import { ConfigReporter } from "./config-reporter.ts";
import { type ControlActions, createControlApi, type FaultActions, listenControlApi } from "./control-api.ts";
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
  readonly #source: Source;
  readonly #reporter: ConfigReporter;
  #api: Server | null = null;

  constructor(settings: Settings, board: Board, send: (message: ControlToSupervisor) => void) {
    this.#settings = settings;
    this.#board = board;
    this.#send = send;
    this.#log = createLogger(settings.log, "control");
    this.#publisher = new Publisher(board);
    this.#source = createSource(settings.source);
    this.#reporter = new ConfigReporter(this.#source.name, (report) => send({ type: "config", report }));
  }

  /** Opens the Control API, takes over what is being served, then follows the source. */
  async start(): Promise<void> {
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
    this.#source.start(configuration);
  }

  /** Takes over the line to the worker that owns the record. */
  connect(record: number, port: MessagePort): void {
    this.#publisher.connect(record, port);
  }

  reopenLogs(): void {
    this.#log.reopen();
  }

  async close(): Promise<void> {
    await this.#source.close();
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

  #actions(): ControlActions {
    return {
      drain: (on) => this.#send({ type: "drain", on }),
      faults: process.env.TURNPIKE_FAULTS === undefined ? null : this.#faults(),
    };
  }

  #faults(): FaultActions {
    return {
      worker: (worker, fault) => this.#send({ type: "fault", worker, fault }),
      crashControl: () => {
        setImmediate(() => {
          throw new Error("fault: control-crash");
        });
      },
    };
  }
}

function createSource(source: SourceSettings): Source {
  switch (source.kind) {
    case "yaml":
      return createYamlFileSource(source.file);
    case "json":
      return createJsonFileSource(source.file);
    default:
      throw new TurnpikeError("SETTINGS_INVALID", `source ${source.kind} is not available in this version`);
  }
}

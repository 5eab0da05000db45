import type { Server } from "node:http";
import type { MessagePort } from "node:worker_threads";
import { join } from "node:path";
import { Board } from "../board/board.ts";
import { GatewayVitals } from "../board/gateway-vitals.ts";
import { reasonOf, TurnpikeError } from "../lib/errors.ts";
import { giveWayWhile } from "../lib/give-way.ts";
import { lowerPriority } from "../lib/thread-priority.ts";
import type { ControlData, ControlToSupervisor } from "../messages/messages.ts";
import { createLogger, type Logger } from "../observe/logger.ts";
import type { Address, Settings } from "../settings/settings.ts";
import { createLastGoodFile, identityOf, type LastGoodFile } from "../source/last-good.ts";
import type { ResourceCheck } from "../store/check-resource.ts";
import { encryptedFieldsOf } from "../store/encryption.ts";
import { Store } from "../store/store.ts";
import { buildCipher } from "./admin/cipher.ts";
import type { AdminApi } from "./admin/admin-api.ts";
import type { ResourceCipher } from "./admin/deps.ts";
import { watchBusyWorkers } from "./busy-workers.ts";
import { Configuration } from "./configuration.ts";
import { ConfigReporter } from "./config-reporter.ts";
import type { FaultActions } from "./control-api/faults.ts";
import { createControlApi, listenControlApi } from "./control-api/server.ts";
import { buildControlEndpoints, type Served } from "./control-wiring.ts";
import type { Fleet } from "./fleet/fleet.ts";
import { keptNodeId } from "./fleet/node-id.ts";
import { ModifyIndexes } from "./metrics/modify-indexes.ts";
import { Metrics } from "./metrics-wiring.ts";
import { openProvider, type Provider } from "./provider.ts";
import { Publisher } from "./publisher.ts";
import { resourceCheckFor } from "./resource-check.ts";
import { surviveUserErrors } from "../plugins/user/stray-errors.ts";
import { UserPluginTable } from "../plugins/user/user-plugin-table.ts";
import { createSecretResolver } from "./secrets/resolver.ts";
import { SecretFlow } from "./secrets/secret-flow.ts";
import { Stapling } from "./stapling/stapling.ts";
import { createVaultClient, type VaultClient } from "./secrets/vault.ts";
import { TrustedAuthorities } from "../upstream/node-tls.ts";
import { UserPlugins } from "./user-plugins/user-plugins.ts";
import { UpstreamWatch } from "./upstream-watch.ts";

/** How long a new control thread waits for a worker to tell what is being served. */
const INHERIT_LIMIT_MS = 2_000;
/** How long one read of a secret may take. */
const SECRET_LIMIT_MS = 5_000;

/**
 * The control thread: the only one that talks to the configuration source. What the
 * source says goes through the store; what the store accepts goes to the workers.
 */
export class Control {
  readonly #settings: Settings;
  readonly #board: Board;
  readonly #send: (message: ControlToSupervisor) => void;
  readonly #kept: string | null;
  readonly #log: Logger;
  readonly #publisher: Publisher;
  readonly #reporter: ConfigReporter;
  readonly #cipher: ResourceCipher;
  readonly #check: ResourceCheck;
  readonly #vault: VaultClient;
  readonly #secrets: SecretFlow;
  readonly #upstreams: UpstreamWatch;
  readonly #stapling: Stapling;
  readonly #indexes = new ModifyIndexes();
  /** `null`: nothing is exported. */
  readonly #metrics: Metrics | null;
  #store: Store | null = null;
  readonly #users: { readonly table: UserPluginTable; readonly plugins: UserPlugins };
  #provider: Provider | null = null;
  #configuration: Configuration | null = null;
  #lastGood: LastGoodFile | null = null;
  #admin: AdminApi | null = null;
  /** `null`: the source is not etcd. */
  #fleet: Fleet | null = null;
  #api: Server | null = null;
  /** What the Control API shows, once there is something. */
  readonly #served = Promise.withResolvers<Served>();

  constructor(
    { settings, board: memory, kept, vitals, metrics }: ControlData,
    send: (message: ControlToSupervisor) => void,
  ) {
    this.#settings = settings;
    this.#kept = kept;
    const board = (this.#board = new Board(memory));
    this.#send = send;
    this.#log = createLogger(settings.log, "control");
    this.#publisher = new Publisher(board);
    this.#upstreams = new UpstreamWatch({
      table: board.health,
      dns: settings.dns,
      discovery: settings.discovery,
      trustedCertificates: settings.trustedCertificates,
      serverName: settings.upstream.serverName,
      healthChecksOff: settings.healthChecksOff,
      publish: (targets) => this.#publisher.tell(targets),
      discovered: (sources) => send({ type: "discovery", sources }),
      checked: (report) => send({ type: "checked-nodes", report }),
      log: this.#log,
    });
    this.#publisher.precede(this.#upstreams);
    this.#stapling = new Stapling({
      publish: (staples) => this.#publisher.tell({ type: "staples", staples }),
      log: this.#log,
    });
    this.#publisher.precede(this.#stapling);
    this.#reporter = new ConfigReporter(settings.source.kind, (report) => send({ type: "config", report }));
    const table = new UserPluginTable();
    const { prefix, extraPlugins: entries } = settings;
    if (entries.length > 0) surviveUserErrors(this.#log);
    this.#users = { table, plugins: new UserPlugins({ entries, prefix, table, log: this.#log }) };
    const check = resourceCheckFor(settings, table);
    this.#cipher = buildCipher(settings.dataEncryption, encryptedFieldsOf(check.plugins));
    const authorities = new TrustedAuthorities(settings.trustedCertificates);
    const ca = (): string[] => authorities.certificates();
    this.#vault = createVaultClient({ env: process.env, timeoutMs: SECRET_LIMIT_MS, ca });
    const resolver = createSecretResolver({
      env: process.env,
      vault: this.#vault,
      onChange: (references) => this.#configuration?.secretsChanged(references),
      warn: (message) => this.#log.warn(message),
    });
    this.#secrets = new SecretFlow(resolver);
    this.#check = { ...check, lookupSecret: this.#secrets.lookup };
    this.#metrics = this.#buildMetrics(new GatewayVitals(vitals));
    for (const memory of metrics) this.addMetrics(memory);
  }

  /** Opens the source and the APIs, takes over what is being served, then follows the source. */
  async start(): Promise<void> {
    await this.#listen();
    await this.#listenMetrics();
    const { source } = this.#settings;
    const provider = await openProvider(source, this.#log, {
      kept: this.#kept,
      keep: (text) => this.#send({ type: "keep", text }),
    });
    this.#provider = provider;
    const accepted = this.#board.revision;
    const inherited = accepted > 0 ? await this.#publisher.inherited(INHERIT_LIMIT_MS) : null;
    // What the last thread accepted and did not deliver before it ended is in force nowhere.
    const revision = inherited?.revision ?? accepted;
    const { plugins } = this.#users;
    await plugins.inherit(inherited?.resources ?? []);
    await plugins.load();
    const decrypt = this.#cipher.decrypt;
    const resources = inherited?.resources ?? [];
    const store = new Store({ ...this.#check, decrypt, revision, accepted, inherited: resources });
    if (source.kind === "etcd") this.#lastGood = this.#openLastGood();
    this.#store = store;
    const configuration = new Configuration({
      store,
      publisher: this.#publisher,
      reporter: this.#reporter,
      log: this.#log,
      secrets: this.#secrets,
      prepare: (staged) => this.#upstreams.prepare(staged.entries),
      lastGood: this.#lastGood,
      retryPlugins: () => plugins.retry(store),
    });
    this.#configuration = configuration;
    if (inherited !== null) {
      this.#upstreams.inherit(inherited.targets, store.snapshot());
      this.#stapling.apply(store.snapshot());
      this.#reporter.inherited(revision, store.hash, Date.now());
      this.#publisher.accept(revision, store.hash);
      configuration.serve();
    }
    if (plugins.some) this.#adoptPlugins({ store, configuration });
    plugins.follow(() => this.#adoptPlugins({ store, configuration }));
    this.#served.resolve({ store, provider, configuration });
    await this.#openAdmin(provider, configuration, store);
    this.#fleet = await this.#joinFleet(provider, store);
    // Until then everybody waits for this thread; from then on requests come first.
    void configuration.loaded.then(() => {
      giveWayWhile(watchBusyWorkers(this.#board), lowerPriority());
    });
    provider.source.start(this.#indexes.observe(this.#fleet?.observe(configuration) ?? configuration));
  }

  #adoptPlugins({ store, configuration }: Pick<Served, "store" | "configuration">): void {
    configuration.changePlugins(() => this.#users.plugins.adopt(store));
  }

  /** Reads the plugins of users now; resolves once what was found is given to the workers. */
  async #reloadPlugins(): Promise<void> {
    const served = await this.#served.promise;
    await this.#users.plugins.reload(() => this.#adoptPlugins(served));
  }

  /** Takes over the line to the worker that owns the record. */
  connect(record: number, port: MessagePort): void {
    this.#publisher.connect(record, port);
  }

  /** One more worker counts in this memory. */
  addMetrics(memory: SharedArrayBuffer): void {
    this.#metrics?.add(memory);
  }

  reopenLogs(): void {
    this.#log.reopen();
  }

  async close(): Promise<void> {
    await this.#admin?.close();
    await this.#fleet?.close();
    await this.#provider?.source.close();
    this.#upstreams.close();
    this.#stapling.close();
    await this.#users.plugins.close();
    await this.#lastGood?.close();
    this.#secrets.close();
    this.#vault.close();
    const api = this.#api;
    if (api !== null) {
      api.closeAllConnections();
      await new Promise((resolve) => api.close(resolve));
    }
    await this.#metrics?.close();
    this.#publisher.close();
  }

  #openLastGood(): LastGoodFile {
    const { prefix, source } = this.#settings;
    return createLastGoodFile(join(prefix, "data", "last-good"), identityOf(source), (line) => this.#log.warn(line));
  }

  async #openAdmin(provider: Provider, configuration: Configuration, store: Store): Promise<void> {
    const { admin } = this.#settings;
    if (admin === null) return;
    const { buildAdminApi } = await import("./admin-wiring.ts");
    const api = buildAdminApi({
      settings: this.#settings,
      admin,
      log: this.#log,
      board: this.#board,
      provider,
      configuration,
      store,
      check: this.#check,
      users: this.#users.table,
      cipher: this.#cipher,
      reloadPlugins: () => this.#reloadPlugins(),
    });
    if (api === null) return;
    this.#admin = api;
    await api.listen().catch((error: unknown) => {
      throw inUse("admin", admin.listen, error);
    });
  }

  async #listen(): Promise<void> {
    const address = this.#settings.control;
    if (address === null) return this.#send({ type: "listening", address: null });
    const endpoints = buildControlEndpoints({
      settings: this.#settings,
      check: this.#check,
      users: this.#users.table,
      served: this.#served.promise,
      upstreams: this.#upstreams,
      drain: (on) => this.#send({ type: "drain", on }),
      reloadPlugins: () => this.#reloadPlugins(),
      faults: process.env.TURNPIKE_FAULTS === undefined ? null : this.#faults(),
    });
    this.#api = createControlApi(endpoints, this.#log);
    try {
      this.#send({ type: "listening", address: await listenControlApi(this.#api, address) });
    } catch (error) {
      throw inUse("control", address, error);
    }
  }

  #buildMetrics(vitals: GatewayVitals): Metrics | null {
    const settings = this.#settings;
    const { prometheus } = settings;
    if (prometheus === null) return null;
    const parts = {
      settings,
      prometheus,
      board: this.#board,
      vitals,
      reporter: this.#reporter,
      upstreams: this.#upstreams,
      indexes: this.#indexes,
      store: () => this.#store,
    };
    const metrics = new Metrics(parts, this.#log);
    this.#publisher.exposition = () => metrics.text();
    return metrics;
  }

  async #listenMetrics(): Promise<void> {
    const address = this.#settings.prometheus?.listen ?? null;
    if (address === null) return;
    await this.#metrics?.listen().catch((error: unknown) => {
      throw inUse("prometheus", address, error);
    });
  }

  async #joinFleet({ etcd }: Provider, store: Store): Promise<Fleet | null> {
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

function inUse(name: string, { ip, port }: Address, error: unknown): TurnpikeError {
  return new TurnpikeError("ADDRESS_IN_USE", `${name} ${ip}:${port}: ${reasonOf(error)}`, error);
}

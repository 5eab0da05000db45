import type { HealthTable } from "../board/health-table.ts";
import { monotonicUs } from "../lib/clock.ts";
import type { CheckedNodes, ControlToWorker, DiscoveryReport, WorkerTargets } from "../messages/messages.ts";
import type { Change, Kind } from "../schema/kinds.ts";
import type { InlineUpstream } from "../schema/upstream.ts";
import type { DiscoverySettings, DnsSettings } from "../settings/settings.ts";
import {
  defaultPort,
  expandNodes,
  identitiesOf,
  nameKey,
  targetKeys,
  type Target,
  type TargetEntry,
} from "../upstream/targets.ts";
import type { StagedEntry } from "../store/stage.ts";
import { EarlyLookups } from "./discovery/early-lookups.ts";
import { createLookup, type Lookups } from "./discovery/lookup.ts";
import { TargetWatch } from "./discovery/target-watch.ts";
import type { HealthNode, HealthReport } from "./control-api/healthcheck.ts";
import { ClientCertificates, shownCertificate } from "../compile/client-certificates.ts";
import type { Ssl } from "../schema/ssl.ts";
import { NodeTlsSource, TrustedAuthorities } from "../upstream/node-tls.ts";
import { createCheckedNodesFeed, type CheckedNodesFeed } from "./health/checked-nodes.ts";
import { Prober } from "./health/prober.ts";
import { mayHoldUpstream, pluginUpstreams, servicesOf, upstreamOf } from "./written-upstreams.ts";

/** What the watch is made of. */
export interface UpstreamWatchParts {
  readonly table: HealthTable;
  readonly dns: DnsSettings;
  readonly discovery: DiscoverySettings;
  /** `Settings.trustedCertificates`. */
  readonly trustedCertificates: string | null;
  /** `Settings.upstream.serverName`. */
  readonly serverName: boolean;
  /** `apisix.disable_upstream_healthcheck`. */
  readonly healthChecksOff: boolean;
  /** Passes on to the workers what keys stand for now. */
  readonly publish: (targets: WorkerTargets) => void;
  /** Is told whether the sources of `discovery` have delivered their first list. */
  readonly discovered: (sources: readonly DiscoveryReport[]) => void;
  /** Is told which nodes are checked. */
  readonly checked: (nodes: CheckedNodes) => void;
  readonly log: { warn(message: string): void; notice(message: string): void };
}

const kinds = new Set<Kind>([
  "ssls",
  "routes",
  "services",
  "upstreams",
  "stream_routes",
  "plugin_configs",
  "global_rules",
  "consumers",
  "consumer_groups",
]);

/**
 * What control does for upstreams besides passing them on: finds out the addresses of
 * their names, and checks the health of their nodes. Everything else of the
 * configuration passes it by.
 */
export class UpstreamWatch {
  readonly #publish: UpstreamWatchParts["publish"];
  readonly #lookups: Lookups;
  readonly #targets: TargetWatch;
  readonly #prober: Prober | null;
  readonly #checkedNodes: CheckedNodesFeed;
  readonly #tls: NodeTlsSource;
  readonly #certificates = new ClientCertificates();
  /** Upstreams that have names or are checked, by the key of the resource that holds them. */
  readonly #upstreams = new Map<string, InlineUpstream>();
  /** Keys of the upstreams inside plugins, by the resource. */
  readonly #inPlugins = new Map<string, readonly string[]>();
  readonly #discovered: UpstreamWatchParts["discovered"];
  /** Number of the last `WorkerTargets`: a time, so that an earlier control thread's are lower. */
  #told = 0;
  /** The configured sources; `null`: nothing was told of it yet. */
  readonly #sources: Map<string, boolean | null>;
  readonly #early: EarlyLookups;
  /** The first configuration is here. */
  #applied = false;
  #settled = false;
  /** Keys of `#upstreams` by the target that they depend on. */
  readonly #byTarget = new Map<string, Set<string>>();
  /** Targets that no upstream depended on at some moment of the changes that are being taken over. */
  readonly #left = new Set<string>();

  constructor(parts: UpstreamWatchParts) {
    const { table, dns, discovery, healthChecksOff, publish, discovered, checked, log } = parts;
    const authorities = new TrustedAuthorities(parts.trustedCertificates);
    this.#tls = new NodeTlsSource(authorities, parts.serverName);
    this.#publish = publish;
    this.#discovered = discovered;
    const { dns: dnsServers, consul, kubernetes } = discovery;
    const configured = { dns: dnsServers !== null, consul: consul !== null, kubernetes: kubernetes.length > 0 };
    this.#sources = new Map(
      Object.entries(configured).flatMap(([name, there]) => (there ? [[name, null] as const] : [])),
    );
    this.#lookups = createLookup(dns, discovery, {
      changed: (key) => this.#targets.again(key),
      listed: () => this.#reportSources(),
      authorities: () => authorities.certificates(),
      log,
    });
    this.#targets = new TargetWatch({
      look: (key) => this.#lookups.look(key),
      changed: (key, targets) => this.#changed(key, targets),
      looked: (key) => {
        this.#early.looked(key);
        this.#reportSources();
        this.#settle();
      },
      log,
    });
    this.#early = new EarlyLookups({
      add: (key) => this.#targets.add(key),
      forget: (key) => this.#forget(key),
      isUsed: (key) => this.#byTarget.has(key),
    });
    this.#prober = healthChecksOff ? null : new Prober(table, log);
    this.#checkedNodes = createCheckedNodesFeed(
      (limit) => this.#prober?.checked(limit) ?? { upstreams: [], unlisted: 0 },
      checked,
    );
  }

  /**
   * Takes over changes of resources. To be called before the workers hear of them: they
   * look for the health of nodes as they compile.
   */
  apply(changes: readonly Change[]): void {
    for (const { kind, id, text } of changes) {
      if (!kinds.has(kind)) continue;
      if (kind === "ssls") {
        this.#setCertificate(id, text);
        continue;
      }
      const owner = `${kind}/${id}`;
      if (mayHoldUpstream(kind)) this.#set(owner, upstreamOf(kind, text));
      this.#setInPlugins(owner, text === null ? [] : pluginUpstreams(owner, text));
    }
    this.#applied = true;
    this.#reportSources();
    this.#settle();
  }

  /**
   * Looks up services that a change names for the first time, so that it has its nodes the
   * moment it counts; `null`: none, or they are not waited for. To be called when everything
   * before was applied. Never rejects.
   */
  prepare(entries: readonly StagedEntry[]): Promise<void> | null {
    if (!this.#applied || this.#sources.size === 0) return null;
    return this.#early.prepare(entries.flatMap(servicesOf).filter((key) => this.#isNew(key)));
  }

  #isNew(key: string): boolean {
    return this.#sources.has(key.slice(0, key.indexOf("/"))) && !this.#targets.has(key);
  }

  /** Takes over what an earlier control thread has left with the workers: resources, and what their names stood for. */
  inherit(targets: readonly TargetEntry[], resources: readonly Change[]): void {
    this.#targets.expect(targets);
    this.apply(resources);
    this.#targets.expect([]);
    // Workers that are new are to be told of it, too.
    if (targets.length > 0) this.#told = Math.max(this.#told + 1, monotonicUs());
  }

  /** What a worker that is new is told of names. */
  greeting(): readonly ControlToWorker[] {
    const entries = [...this.#targets.told()];
    return this.#told === 0 ? [] : [{ type: "targets", entries, told: this.#told }];
  }

  /** Everything that is known of names. */
  targets(): readonly TargetEntry[] {
    return [...this.#targets.known()];
  }

  /** What a key stands for; `undefined`: not known yet. */
  get(key: string): readonly Target[] | undefined {
    return this.#targets.get(key);
  }

  /** What the clusters of Kubernetes have told, in the order of `discovery.kubernetes`. */
  clusters(): ReturnType<Lookups["clusters"]> {
    return this.#lookups.clusters();
  }

  /** The health of all checked upstreams, as `GET /v1/healthcheck` shows it. `prefix`: what stands before their keys. */
  health(prefix: string): readonly HealthReport[] {
    return this.#prober?.report(prefix) ?? [];
  }

  /** The health of one node; `null` where it is not checked. */
  nodeHealth(key: string, address: string): HealthNode["status"] | null {
    return this.#prober?.statusOf(key, address) ?? null;
  }

  close(): void {
    this.#targets.close();
    this.#lookups.close();
    this.#checkedNodes.close();
    this.#prober?.close();
  }

  /** Probes show what requests show. */
  #setCertificate(id: string, text: string | null): void {
    const ssl = text === null ? null : (JSON.parse(text) as Ssl);
    if (!this.#certificates.set(id, ssl)) return;
    for (const [key, { tls }] of this.#upstreams) if (tls?.client_cert_id === id) this.#check(key);
  }

  /** Takes over the upstreams inside the plugins of a resource. */
  #setInPlugins(owner: string, upstreams: readonly (readonly [key: string, upstream: InlineUpstream])[]): void {
    const before = this.#inPlugins.get(owner);
    if (before === undefined && upstreams.length === 0) return;
    const keys = upstreams.map(([key]) => key);
    for (const key of before ?? []) if (!keys.includes(key)) this.#set(key, null);
    if (keys.length === 0) this.#inPlugins.delete(owner);
    else this.#inPlugins.set(owner, keys);
    for (const [key, upstream] of upstreams) this.#set(key, upstream);
  }

  #set(key: string, upstream: InlineUpstream | null): void {
    const held = this.#upstreams.get(key);
    const before = held === undefined ? [] : targetKeys(held);
    const after = upstream === null ? [] : targetKeys(upstream);
    const watched = upstream !== null && (after.length > 0 || upstream.checks !== undefined);
    if (watched) this.#upstreams.set(key, upstream);
    else if (!this.#upstreams.delete(key)) return;
    for (const target of after) {
      const users = this.#byTarget.get(target);
      if (users === undefined) this.#byTarget.set(target, new Set([key]));
      else users.add(key);
      this.#targets.add(target);
    }
    for (const target of before.filter((one) => !after.includes(one))) this.#leave(target, key);
    this.#check(key);
  }

  /**
   * Gives up what an earlier control thread has left of nodes that are not there any more:
   * once everything is here, and every address is known. Until then workers may use nodes
   * of which nothing is known here, and their health is to stay.
   */
  #settle(): void {
    if (this.#settled || !this.#applied || !this.#targets.isComplete) return;
    this.#settled = true;
    this.#prober?.settle();
  }

  /** Once a source is ready it stays so: what it said last is kept. Nothing is told before the first configuration is here. */
  #reportSources(): void {
    if (!this.#applied) return;
    let changed = false;
    for (const [name, ready] of this.#sources) {
      const now = ready === true || this.#isReady(name);
      if (now === ready) continue;
      this.#sources.set(name, now);
      changed = true;
    }
    if (!changed) return;
    const told = this.#told;
    this.#discovered(Array.from(this.#sources, ([name, ready]) => ({ name, ready: ready === true, told })));
  }

  #isReady(source: string): boolean {
    return this.#targets.isReady(source) && (this.#targets.isAsked(source) || this.#lookups.isListed(source));
  }

  #leave(target: string, key: string): void {
    const users = this.#byTarget.get(target);
    if (users?.delete(key) !== true || users.size > 0) return;
    this.#byTarget.delete(target);
    // Another upstream may take it over in the same changes; and the workers need it until they have got these.
    if (this.#left.size === 0) queueMicrotask(() => this.#forgetLeft());
    this.#left.add(target);
  }

  #forgetLeft(): void {
    for (const target of this.#left) if (!this.#byTarget.has(target)) this.#forget(target);
    this.#left.clear();
    this.#reportSources();
    this.#settle();
  }

  #forget(target: string): void {
    this.#targets.remove(target);
    this.#lookups.forget(target);
    this.#tell([[target, null]]);
  }

  /** Checks the nodes of an upstream as they are now. */
  #check(key: string): void {
    const upstream = this.#upstreams.get(key);
    const nodes = upstream?.checks === undefined ? [] : expandNodes(upstream, this.#targets);
    if (upstream === undefined || nodes.length === 0) {
      this.#prober?.set(key, null, []);
      return;
    }
    const verify = upstream.checks?.active.https_verify_certificate ?? true;
    const tls = this.#tls.get(
      verify,
      shownCertificate(upstream, (id) => this.#certificates.get(id)),
    );
    const hostHeader = upstream.pass_host === "rewrite" ? (upstream.upstream_host ?? null) : null;
    // Those of weight 0 as well: what gets requests later is known by then.
    const identities = identitiesOf(nodes, upstream.scheme);
    const checked = nodes.map(({ host, port: given, name }, i) => {
      const port = given ?? defaultPort(upstream.scheme);
      const asked = upstream.nodes === undefined ? null : nameKey(host);
      const waits = asked !== null && !this.#targets.isLooked(asked);
      return { host, port, name, hostHeader, tls, address: identities[i]!, waits };
    });
    this.#prober?.set(key, upstream.checks ?? null, checked);
    this.#checkedNodes.changed();
  }

  #changed(target: string, targets: readonly Target[]): void {
    for (const key of this.#byTarget.get(target) ?? []) this.#check(key);
    this.#tell([[target, targets]]);
  }

  #tell(entries: readonly TargetEntry[]): void {
    this.#told = Math.max(this.#told + 1, monotonicUs());
    this.#publish({ type: "targets", entries, told: this.#told });
  }
}

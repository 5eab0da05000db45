import { reasonOf } from "../../lib/errors.ts";
import { compileSafeRegex } from "../../plugin/safe-regex.ts";
import type { KubernetesSettings } from "../../settings/settings.ts";
import type { Target } from "../../upstream/targets.ts";
import { KnownServices } from "./known-services.ts";
import { listPage, watchLines } from "./kubernetes-api.ts";
import { endpointsKind, slicesKind, type EndpointsKind } from "./kubernetes-objects.ts";
import { pause } from "./pause.ts";
import type { Lookup } from "./target-watch.ts";

/** The endpoints of one cluster: listed once, then watched. */
export interface Kubernetes {
  /** The nodes of `namespace/name:port`; waits for the first list. Never rejects. */
  look(service: string): Promise<Lookup>;
  /** Whether the first list has come. */
  readonly isListed: boolean;
  /** Everything that is known: the ready nodes of each port, by `namespace/name`. */
  endpoints(): ReadonlyMap<string, Readonly<Record<string, readonly Target[]>>>;
  close(): void;
}

export interface KubernetesParts {
  readonly settings: KubernetesSettings;
  /** The endpoints of `namespace/name` are others now. */
  readonly changed: (endpoints: string) => void;
  /** The first list has come. */
  readonly listed: () => void;
  /** Certificates that the server's is checked by where the cluster's own authority is not known. */
  readonly authorities: () => readonly string[];
  readonly log: { warn(message: string): void };
}

/** How long a look at what is known already counts: changes are told besides. */
const TTL_MS = 60_000;
/** How long the first list is waited for. */
const FIRST_LIST_MS = 5_000;
/** Objects of one answer to a list; more come in further answers. */
const PAGE = 500;

/** One event of a watch. */
interface WatchEvent {
  readonly type?: unknown;
  readonly object?: { readonly metadata?: { readonly resourceVersion?: unknown } | null };
}

export function createKubernetes(parts: KubernetesParts): Kubernetes {
  return new EndpointsWatch(parts);
}

class EndpointsWatch implements Kubernetes {
  readonly #settings: KubernetesSettings;
  readonly #changed: KubernetesParts["changed"];
  readonly #listed: KubernetesParts["listed"];
  readonly #authorities: KubernetesParts["authorities"];
  readonly #log: KubernetesParts["log"];
  readonly #kind: EndpointsKind;
  readonly #takes: (namespace: string) => boolean;
  /** Replaced as a whole by a list. */
  #known = new KnownServices();
  /** The first list has come, or could not be had. */
  readonly #tried = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  #failure = "the first list has not come yet";
  isListed = false;

  constructor({ settings, changed, listed, authorities, log }: KubernetesParts) {
    this.#settings = settings;
    this.#changed = changed;
    this.#listed = listed;
    this.#authorities = authorities;
    this.#log = log;
    this.#kind = settings.slices ? slicesKind : endpointsKind;
    try {
      this.#takes = compileNamespaces(settings.namespaces);
    } catch (thrown) {
      // Nothing is taken from the cluster, and the reason is where it is looked for.
      this.#takes = () => false;
      this.#failure = `namespace_selector: ${reasonOf(thrown)}`;
      this.#tried.resolve();
      log.warn(`discovery kubernetes: ${this.#failure}`);
      return;
    }
    void this.#run();
  }

  async look(service: string): Promise<Lookup> {
    if (!this.isListed) await Promise.race([this.#tried.promise, pause(FIRST_LIST_MS, this.#closing.signal)]);
    if (!this.isListed) return { failure: this.#failure };
    const [, name = "", port = ""] = /^([^/]+\/[^/:]+):(.+)$/.exec(service) ?? [];
    if (name === "") return { failure: `${service} is not of the form namespace/name:port`, answered: true };
    const targets = this.#known.nodesOf(name, port, this.#settings.weight);
    // The cluster gives the addresses of what is gone to somebody else: they must not be used any more.
    if (targets.length === 0) return { failure: `${service} has no ready endpoint`, gone: true };
    return { targets, ttlMs: TTL_MS };
  }

  endpoints(): ReadonlyMap<string, Readonly<Record<string, readonly Target[]>>> {
    return this.#known.all(this.#settings.weight);
  }

  close(): void {
    this.#closing.abort();
  }

  /** Lists and watches, again and again; a failure is told once. */
  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted;) {
      try {
        const version = await this.#list();
        failures = 0;
        await this.#watch(version);
      } catch (thrown) {
        if (signal.aborted) return;
        this.#failure = reasonOf(thrown);
        this.#tried.resolve();
        if (failures === 0) this.#log.warn(`discovery kubernetes: ${this.#failure}; what is known stays`);
        await pause(this.#retryMs(failures++), signal);
      }
    }
  }

  /** Doubled with each failure in a row; never 0, or a server that refuses would be asked without end. */
  #retryMs(failures: number): number {
    const { retryMs, maxRetryMs } = this.#settings;
    return Math.max(100, Math.min(retryMs * 2 ** failures, maxRetryMs));
  }

  /** Everything there is, and the version of it. */
  async #list(): Promise<string> {
    const known = new KnownServices();
    let version = "";
    let next = "";
    do {
      const path = this.#path({ limit: String(PAGE), ...(next === "" ? {} : { continue: next }) });
      const list = await listPage(this.#settings, path, this.#closing.signal, this.#authorities);
      for (const item of list.items ?? []) this.#keep(known, item);
      version = String(list.metadata?.resourceVersion ?? "");
      next = typeof list.metadata?.continue === "string" ? list.metadata.continue : "";
    } while (next !== "");
    const differences = known.differences(this.#known);
    this.#known = known;
    const isFirst = !this.isListed;
    this.isListed = true;
    this.#tried.resolve();
    for (const name of differences) this.#changed(name);
    if (isFirst) this.#listed();
    return version;
  }

  /** Follows the changes after a version, until the server ends the watch. Throws where it has to be listed anew. */
  async #watch(from: string): Promise<void> {
    const { signal } = this.#closing;
    let version = from;
    for (;;) {
      const { watchSeconds, jitterSeconds } = this.#settings;
      const seconds = watchSeconds + Math.floor(Math.random() * (jitterSeconds + 1));
      const path = this.#path({
        watch: "true",
        allowWatchBookmarks: "true",
        resourceVersion: version,
        timeoutSeconds: String(seconds),
      });
      // A server that ends every watch at once is not asked without a pause.
      const atLeast = pause(1_000, signal);
      for await (const line of watchLines(this.#settings, path, seconds, signal, this.#authorities)) {
        const { type, object } = JSON.parse(line) as WatchEvent;
        // 410 Gone: the version is too old to go on from.
        if (type === "ERROR" || object === undefined) throw new Error("the watch was ended by the server");
        version = String(object.metadata?.resourceVersion ?? version);
        if (type === "BOOKMARK") continue;
        for (const name of this.#keep(this.#known, object, type === "DELETED")) this.#changed(name);
      }
      await atLeast;
    }
  }

  /** Notes or forgets an object; the services that it has changed: none where its namespace does not count. */
  #keep(known: KnownServices, object: unknown, gone = false): readonly string[] {
    const part = this.#kind.read(object);
    if (part === null || !this.#takes(part.namespace)) return [];
    return gone ? known.delete(part.object) : known.set(part);
  }

  #path(query: Readonly<Record<string, string>>): string {
    const { labelSelector, namespaces } = this.#settings;
    const all = new URLSearchParams(labelSelector === null ? query : { ...query, labelSelector });
    // What the server leaves out need not be sent.
    const { equal, notEqual } = namespaces;
    if (equal !== undefined) all.set("fieldSelector", `metadata.namespace=${equal}`);
    else if (notEqual !== undefined) all.set("fieldSelector", `metadata.namespace!=${notEqual}`);
    return `${this.#kind.path}?${all}`;
  }
}

/** An expression counts where it matches the whole name: `shop` is not `shop-test`. */
function compileNamespaces(selector: KubernetesSettings["namespaces"]): (namespace: string) => boolean {
  const { equal, notEqual, match, notMatch } = selector;
  const some = match?.map((pattern) => compileSafeRegex(pattern));
  const none = notMatch?.map((pattern) => compileSafeRegex(pattern));
  const isOneOf = (regexes: readonly RegExp[], namespace: string): boolean =>
    regexes.some((regex) => regex.exec(namespace)?.[0] === namespace);
  return (namespace) =>
    (equal === undefined || namespace === equal) &&
    (notEqual === undefined || namespace !== notEqual) &&
    (some === undefined || isOneOf(some, namespace)) &&
    (none === undefined || !isOneOf(none, namespace));
}

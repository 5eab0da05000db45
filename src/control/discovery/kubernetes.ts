import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import { loadHttps } from "../../lib/lazy-https.ts";
import { reasonOf } from "../../lib/errors.ts";
import { request as httpRequest } from "../../lib/node-http.ts";
import { compileSafeRegex } from "../../plugin/safe-regex.ts";
import type { KubernetesSettings } from "../../settings/settings.ts";
import type { Target } from "../../upstream/targets.ts";
import { pause } from "./pause.ts";
import type { Lookup } from "./target-watch.ts";
import { readAtMost } from "../../lib/read-at-most.ts";

/** The endpoints of one cluster: listed once, then watched. */
export interface Kubernetes {
  /** The nodes of `namespace/name:port`; waits for the first list. Never rejects. */
  look(service: string): Promise<Lookup>;
  /** Everything that is known: the ready nodes of each port, by `namespace/name`. */
  endpoints(): ReadonlyMap<string, Readonly<Record<string, readonly Target[]>>>;
  close(): void;
}

export interface KubernetesParts {
  readonly settings: KubernetesSettings;
  /** The endpoints of `namespace/name` are others now. */
  readonly changed: (endpoints: string) => void;
  readonly log: { warn(message: string): void };
}

/** An object of the kind Endpoints, as far as it is read. */
interface Endpoints {
  readonly metadata?: { readonly name?: unknown; readonly namespace?: unknown; readonly resourceVersion?: unknown };
  readonly subsets?: readonly Subset[] | null;
}

interface Subset {
  readonly addresses?: readonly { readonly ip?: unknown }[] | null;
  readonly ports?: readonly { readonly name?: unknown; readonly port?: unknown }[] | null;
}

/** How long a look at what is known already counts: changes are told besides. */
const TTL_MS = 60_000;
/** How long the first list is waited for. */
const FIRST_LIST_MS = 5_000;
/** Bytes of one list, and of one line of a watch. */
const MAX_BYTES = 268_435_456;
/** Objects of one answer to a list; more come in further answers. */
const PAGE = 500;

export function createKubernetes(parts: KubernetesParts): Kubernetes {
  return new EndpointsWatch(parts);
}

class EndpointsWatch implements Kubernetes {
  readonly #settings: KubernetesSettings;
  readonly #changed: KubernetesParts["changed"];
  readonly #log: KubernetesParts["log"];
  readonly #takes: (namespace: string) => boolean;
  /** By `namespace/name`; replaced as a whole by a list. */
  #known = new Map<string, Endpoints>();
  /** The first list has come, or could not be had. */
  readonly #tried = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  #failure = "the first list has not come yet";
  #hasList = false;

  constructor({ settings, changed, log }: KubernetesParts) {
    this.#settings = settings;
    this.#changed = changed;
    this.#log = log;
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
    if (!this.#hasList) await Promise.race([this.#tried.promise, pause(FIRST_LIST_MS, this.#closing.signal)]);
    if (!this.#hasList) return { failure: this.#failure };
    const [, name = "", port = ""] = /^([^/]+\/[^/:]+):(.+)$/.exec(service) ?? [];
    if (name === "") return { failure: `${service} is not of the form namespace/name:port` };
    const targets = nodesOf(this.#known.get(name), port, this.#settings.weight);
    return targets.length === 0 ? { failure: `${service} has no ready endpoint` } : { targets, ttlMs: TTL_MS };
  }

  endpoints(): ReadonlyMap<string, Readonly<Record<string, readonly Target[]>>> {
    const { weight } = this.#settings;
    const known = [...this.#known].sort(([a], [b]) => (a < b ? -1 : 1));
    return new Map(
      known.map(([name, endpoints]) => {
        const ports = [...portsOf(endpoints)];
        return [name, Object.fromEntries(ports.map((port) => [port, nodesOf(endpoints, port, weight)]))];
      }),
    );
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
    const known = new Map<string, Endpoints>();
    let version = "";
    let next = "";
    do {
      const path = this.#path({ limit: String(PAGE), ...(next === "" ? {} : { continue: next }) });
      const response = await this.#open(path);
      const list = JSON.parse(await textOf(response)) as {
        readonly items?: readonly Endpoints[];
        readonly metadata?: { readonly resourceVersion?: unknown; readonly continue?: unknown };
      };
      for (const item of list.items ?? []) this.#keep(known, item);
      version = String(list.metadata?.resourceVersion ?? "");
      next = typeof list.metadata?.continue === "string" ? list.metadata.continue : "";
    } while (next !== "");
    const before = this.#known;
    this.#known = known;
    this.#hasList = true;
    this.#tried.resolve();
    for (const name of new Set([...before.keys(), ...known.keys()])) {
      if (JSON.stringify(before.get(name)?.subsets) !== JSON.stringify(known.get(name)?.subsets)) this.#changed(name);
    }
    return version;
  }

  /** Follows the changes after a version, until the server ends the watch. Throws where it has to be listed anew. */
  async #watch(from: string): Promise<void> {
    let version = from;
    for (;;) {
      const { watchSeconds, jitterSeconds } = this.#settings;
      const timeoutSeconds = String(watchSeconds + Math.floor(Math.random() * (jitterSeconds + 1)));
      const path = this.#path({ watch: "true", allowWatchBookmarks: "true", resourceVersion: version, timeoutSeconds });
      const response = await this.#open(path);
      // A server that ends every watch at once is not asked without a pause.
      const atLeast = pause(1_000, this.#closing.signal);
      for await (const line of linesOf(response)) {
        const { type, object } = JSON.parse(line) as { readonly type?: unknown; readonly object?: Endpoints };
        // 410 Gone: the version is too old to go on from.
        if (type === "ERROR" || object === undefined) throw new Error("the watch was ended by the server");
        version = String(object.metadata?.resourceVersion ?? version);
        if (type === "BOOKMARK") continue;
        const name = this.#keep(this.#known, object, type === "DELETED");
        if (name !== null) this.#changed(name);
      }
      await atLeast;
    }
  }

  /** Notes or forgets an object; its name, or `null` where it is in no namespace that counts. */
  #keep(known: Map<string, Endpoints>, object: Endpoints, gone = false): string | null {
    const { name, namespace } = object.metadata ?? {};
    if (typeof name !== "string" || typeof namespace !== "string" || !this.#takes(namespace)) {
      return null;
    }
    const key = `${namespace}/${name}`;
    if (gone) known.delete(key);
    else known.set(key, object);
    return key;
  }

  #path(query: Readonly<Record<string, string>>): string {
    const { labelSelector } = this.#settings;
    const all = new URLSearchParams(labelSelector === null ? query : { ...query, labelSelector });
    return `/api/v1/endpoints?${all}`;
  }

  async #open(path: string): Promise<IncomingMessage> {
    const { secure, host, port, caFile, tokenFile } = this.#settings;
    // The file is read anew each time: its token is replaced every hour.
    const token = this.#settings.token ?? (tokenFile === null ? null : readFileSync(tokenFile, "utf8").trim());
    const headers = { Accept: "application/json", ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
    const options: RequestOptions = { host, port, path, headers, agent: false, signal: this.#closing.signal };
    const tls = { ...options, ...(caFile === null ? { rejectUnauthorized: false } : { ca: readFileSync(caFile) }) };
    return await new Promise((resolve, reject) => {
      const outgoing = secure ? loadHttps().request(tls) : httpRequest(options);
      outgoing.once("response", (response) => {
        if (response.statusCode === 200) resolve(response);
        else {
          response.resume();
          reject(new Error(`status ${response.statusCode} of the API server`));
        }
      });
      outgoing.once("error", reject);
      outgoing.end();
    });
  }
}

function compileNamespaces(selector: KubernetesSettings["namespaces"]): (namespace: string) => boolean {
  const { equal, notEqual, match, notMatch } = selector;
  const some = match?.map((pattern) => compileSafeRegex(pattern));
  const none = notMatch?.map((pattern) => compileSafeRegex(pattern));
  return (namespace) =>
    (equal === undefined || namespace === equal) &&
    (notEqual === undefined || namespace !== notEqual) &&
    (some === undefined || some.some((regex) => regex.test(namespace))) &&
    none?.some((regex) => regex.test(namespace)) !== true;
}

/** Addresses that are ready, at the port of that name, or of that number where ports have no name; sorted. */
function nodesOf(endpoints: Endpoints | undefined, wanted: string, weight: number): readonly Target[] {
  const targets = new Map<string, Target>();
  for (const { addresses, ports } of endpoints?.subsets ?? []) {
    for (const { name, port } of ports ?? []) {
      if (typeof port !== "number" || portName(name, port) !== wanted) continue;
      for (const { ip } of addresses ?? []) {
        if (typeof ip === "string") targets.set(`${ip} ${port}`, { host: ip, port, weight, priority: 0 });
      }
    }
  }
  return [...targets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, target]) => target);
}

/** What a port is called by a service: its name, or its number where it has none. */
const portName = (name: unknown, port: number): string =>
  typeof name === "string" && name !== "" ? name : String(port);

function portsOf({ subsets }: Endpoints): ReadonlySet<string> {
  const ports = (subsets ?? []).flatMap((subset) => subset.ports ?? []);
  return new Set(ports.flatMap(({ name, port }) => (typeof port === "number" ? [portName(name, port)] : [])));
}

async function textOf(response: IncomingMessage): Promise<string> {
  const list = await readAtMost(response, MAX_BYTES);
  if (list === null) throw new Error("the list is too long");
  return list.toString("utf8");
}

async function* linesOf(response: IncomingMessage): AsyncIterable<string> {
  response.setEncoding("utf8");
  let rest = "";
  for await (const part of response as AsyncIterable<string>) {
    rest += part;
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_BYTES) throw new Error("a line of the watch is too long");
    yield* lines.filter((line) => line !== "");
  }
}

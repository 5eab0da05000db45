import { type AddressMatcher, compileAddresses } from "../../lib/cidr.ts";
import type { StreamRoute } from "../../schema/stream-route.ts";
import type { StreamEnds, StreamPlan } from "./stream-plan.ts";

/** A stream route as the engine holds it: what matching needs, and its text. */
export class StreamEntry {
  readonly id: string;
  readonly text: string;
  /** In lower case; `*.example.com` begins with its star. `null`: whatever the client asks for. */
  readonly sni: string | null;
  /** 0: every port. */
  readonly port: number;
  readonly #server: AddressMatcher | null;
  readonly #remote: AddressMatcher | null;
  /** `null` until the first match and after a change of what it was made from. */
  plan: StreamPlan | null = null;
  /** Keys of the resources that `plan` was made from. */
  dependencies: readonly string[] = [];

  /** Throws an Error with the reason where an address cannot be read. */
  constructor(id: string, text: string, conf: StreamRoute) {
    this.id = id;
    this.text = text;
    this.sni = conf.sni?.toLowerCase().replace(/\.$/, "") ?? null;
    this.port = conf.server_port ?? 0;
    this.#server = conf.server_addr === undefined ? null : compileAddresses([conf.server_addr]);
    this.#remote = conf.remote_addr === undefined ? null : compileAddresses([conf.remote_addr]);
  }

  /** Whether the ends of a stream are right; its port and name have been looked at. */
  admits({ serverAddr, remoteAddr }: StreamEnds): boolean {
    if (this.#server !== null && !this.#server.matches(serverAddr)) return false;
    return this.#remote === null || this.#remote.matches(remoteAddr);
  }
}

/**
 * Stream routes, found by name or port. A client that asks for a name in its TLS
 * handshake gets the route with that name, else the one with the longest name that
 * covers it; everybody else, and who found none, gets one of the routes without a name.
 * Among equals the id decides, the shorter first: the same order in every worker.
 */
export class StreamTable {
  readonly #entries = new Map<string, StreamEntry>();
  readonly #byName = new Map<string, StreamEntry[]>();
  readonly #byPort = new Map<number, StreamEntry[]>();
  /** Names that begin with a star. */
  #wildcards = 0;

  match(ends: StreamEnds): StreamEntry | null {
    const named = ends.sni === null ? null : this.#matchName(ends.sni, ends);
    return named ?? firstOf(this.#byPort.get(ends.serverPort), this.#byPort.get(0), ends);
  }

  /** Sets or removes (`null`) a route and returns the entry that went. */
  set(id: string, entry: StreamEntry | null): StreamEntry | undefined {
    const old = this.#entries.get(id);
    if (old !== undefined) this.#remove(old);
    if (entry !== null) this.#add(entry);
    return old;
  }

  #matchName(sni: string, ends: StreamEnds): StreamEntry | null {
    const exact = this.#named(sni, ends);
    if (exact !== null || this.#wildcards === 0) return exact;
    // `*.example.com` stands for every name below, and `*example.com` for what ends so.
    for (let from = 0; from <= sni.length; from++) {
      const found = this.#named(`*${sni.slice(from)}`, ends);
      if (found !== null) return found;
    }
    return null;
  }

  #named(name: string, ends: StreamEnds): StreamEntry | null {
    for (const entry of this.#byName.get(name) ?? []) {
      if ((entry.port === 0 || entry.port === ends.serverPort) && entry.admits(ends)) return entry;
    }
    return null;
  }

  #add(entry: StreamEntry): void {
    this.#entries.set(entry.id, entry);
    if (entry.sni === null) insert(this.#byPort, entry.port, entry);
    else {
      insert(this.#byName, entry.sni, entry);
      if (entry.sni.startsWith("*")) this.#wildcards++;
    }
  }

  #remove(entry: StreamEntry): void {
    this.#entries.delete(entry.id);
    if (entry.sni === null) withdraw(this.#byPort, entry.port, entry);
    else {
      withdraw(this.#byName, entry.sni, entry);
      if (entry.sni.startsWith("*")) this.#wildcards--;
    }
  }
}

/** The first of two lists together that admits the stream; each is in order. */
function firstOf(
  ofPort: readonly StreamEntry[] = [],
  ofAll: readonly StreamEntry[] = [],
  ends: StreamEnds,
): StreamEntry | null {
  const one = ofPort.find((entry) => entry.admits(ends));
  const other = ofAll.find((entry) => entry.admits(ends));
  if (one === undefined || other === undefined) return one ?? other ?? null;
  return byId(one, other) < 0 ? one : other;
}

function insert<K>(lists: Map<K, StreamEntry[]>, key: K, entry: StreamEntry): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [entry]);
  else {
    const at = list.findIndex((other) => byId(entry, other) < 0);
    list.splice(at < 0 ? list.length : at, 0, entry);
  }
}

function withdraw<K>(lists: Map<K, StreamEntry[]>, key: K, entry: StreamEntry): void {
  const left = (lists.get(key) ?? []).filter((other) => other !== entry);
  if (left.length === 0) lists.delete(key);
  else lists.set(key, left);
}

function byId({ id: a }: StreamEntry, { id: b }: StreamEntry): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

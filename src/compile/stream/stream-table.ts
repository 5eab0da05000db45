import { addressWords, type AddressMatcher, type AddressRange, compileAddresses, parseRange } from "../../lib/cidr.ts";
import { sameItems } from "../../lib/same-items.ts";
import type { StreamRoute } from "../../schema/stream-route.ts";
import { compareIds, positionIn } from "../order.ts";
import type { StreamEnds, StreamPlan } from "./stream-plan.ts";

/** A stream route as the engine holds it: what matching needs, and its text. */
export class StreamEntry {
  readonly id: string;
  readonly text: string;
  /** In lower case; `*.example.com` begins with its star. `null`: whatever the client asks for. */
  readonly sni: string | null;
  /** 0: every port. */
  readonly port: number;
  /** Where clients come from; `null`: anywhere. */
  readonly remote: AddressRange | null;
  readonly #server: AddressMatcher | null;
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
    this.remote = conf.remote_addr === undefined ? null : parseRange(conf.remote_addr);
  }

  /** Whether a stream has arrived where the route wants it. */
  admits({ serverAddr, serverPort }: StreamEnds): boolean {
    if (this.port !== 0 && this.port !== serverPort) return false;
    return this.#server === null || this.#server.matches(serverAddr);
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
  readonly #byName = new Map<string, StreamList>();
  readonly #byPort = new Map<number, StreamList>();
  /** Names that begin with a star. */
  #wildcards = 0;

  match(ends: StreamEnds): StreamEntry | null {
    const client = addressWords(ends.remoteAddr);
    const named = ends.sni === null ? null : this.#matchName(ends.sni, ends, client);
    if (named !== null) return named;
    const ofPort = this.#byPort.get(ends.serverPort)?.first(ends, client) ?? null;
    return earlier(ofPort, this.#byPort.get(0)?.first(ends, client) ?? null);
  }

  /** Sets or removes (`null`) a route and returns the entry that went. */
  set(id: string, entry: StreamEntry | null): StreamEntry | undefined {
    const old = this.#entries.get(id);
    if (old !== undefined) this.#remove(old);
    if (entry !== null) this.#add(entry);
    return old;
  }

  #matchName(sni: string, ends: StreamEnds, client: Words): StreamEntry | null {
    const exact = this.#byName.get(sni)?.first(ends, client) ?? null;
    if (exact !== null || this.#wildcards === 0) return exact;
    // `*.example.com` stands for every name below, and `*example.com` for what ends so.
    for (let from = 0; from <= sni.length; from++) {
      const found = this.#byName.get(`*${sni.slice(from)}`)?.first(ends, client) ?? null;
      if (found !== null) return found;
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

/** The words of a client's address; `null`: it lies in no range. */
type Words = readonly number[] | null;

/** Routes whose ranges are of one length. */
interface RangeGroup {
  readonly masks: AddressRange["masks"];
  readonly byRange: Map<string, StreamEntry[]>;
}

/**
 * Routes of one port or name. Those that a client's address can meet are looked up, and
 * only they are tried, each list in order.
 */
class StreamList {
  readonly #ofAnyone: StreamEntry[] = [];
  readonly #groups: RangeGroup[] = [];

  get isEmpty(): boolean {
    return this.#ofAnyone.length === 0 && this.#groups.length === 0;
  }

  first(ends: StreamEnds, client: Words): StreamEntry | null {
    let best = firstOf(this.#ofAnyone, ends);
    if (client === null) return best;
    for (const { masks, byRange } of this.#groups) {
      if (masks.length !== client.length) continue;
      const list = byRange.get(rangeOf(client, masks));
      if (list !== undefined) best = earlier(best, firstOf(list, ends));
    }
    return best;
  }

  add(entry: StreamEntry): void {
    const { remote } = entry;
    if (remote === null) {
      this.#ofAnyone.splice(positionIn(this.#ofAnyone, entry, byId), 0, entry);
      return;
    }
    let group = this.#groups.find(({ masks }) => sameItems(masks, remote.masks));
    if (group === undefined) this.#groups.push((group = { masks: remote.masks, byRange: new Map() }));
    const range = rangeOf(remote.words, remote.masks);
    const list = group.byRange.get(range);
    if (list === undefined) group.byRange.set(range, [entry]);
    else list.splice(positionIn(list, entry, byId), 0, entry);
  }

  remove(entry: StreamEntry): void {
    const { remote } = entry;
    if (remote === null) {
      this.#ofAnyone.splice(positionIn(this.#ofAnyone, entry, byId), 1);
      return;
    }
    const at = this.#groups.findIndex(({ masks }) => sameItems(masks, remote.masks));
    const { byRange } = this.#groups[at]!;
    const range = rangeOf(remote.words, remote.masks);
    const list = byRange.get(range)!;
    list.splice(positionIn(list, entry, byId), 1);
    if (list.length === 0) byRange.delete(range);
    if (byRange.size === 0) this.#groups.splice(at, 1);
  }
}

/** What addresses of one range of that length have in common. */
function rangeOf(words: readonly number[], masks: readonly number[]): string {
  return words.map((word, i) => word & masks[i]!).join();
}

function firstOf(list: readonly StreamEntry[], ends: StreamEnds): StreamEntry | null {
  return list.find((entry) => entry.admits(ends)) ?? null;
}

function earlier(a: StreamEntry | null, b: StreamEntry | null): StreamEntry | null {
  if (a === null || b === null) return a ?? b;
  return byId(a, b) < 0 ? a : b;
}

function insert<K>(lists: Map<K, StreamList>, key: K, entry: StreamEntry): void {
  let list = lists.get(key);
  if (list === undefined) lists.set(key, (list = new StreamList()));
  list.add(entry);
}

function withdraw<K>(lists: Map<K, StreamList>, key: K, entry: StreamEntry): void {
  const list = lists.get(key);
  list?.remove(entry);
  if (list?.isEmpty === true) lists.delete(key);
}

function byId(a: StreamEntry, b: StreamEntry): number {
  return compareIds(a.id, b.id);
}

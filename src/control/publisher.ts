import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { Board } from "../board/board.ts";
import { formatHash } from "../lib/content-hash.ts";
import type { ControlToWorker, WorkerDump, WorkerToControl } from "../messages/messages.ts";
import type { Change } from "../schema/kinds.ts";
import { Ahead } from "./ahead.ts";

/** Resources per message of a whole configuration, so that no message blocks a worker for long. */
const CHUNK = 2_000;

/** A whole configuration. */
export interface Snapshot {
  readonly revision: number;
  readonly hash: bigint;
  readonly resources: readonly Change[];
}

/** A step from one revision to the next. */
export interface Batch {
  readonly fromRevision: number;
  readonly revision: number;
  readonly hash: bigint;
  readonly changes: readonly Change[];
}

/** Who must know of changes before the workers do. */
export interface BeforeWorkers {
  apply(changes: readonly Change[]): void;
  /** What a worker that is new is given first. */
  greeting(): readonly ControlToWorker[];
}

interface Link {
  readonly port: MessagePort;
  /** The worker has said what it holds and was brought up to date; batches may follow. */
  synced: boolean;
  hello: { readonly revision: number; readonly hash: string } | null;
  /** What the worker was sent of the first load before that was there; `null`: nothing. */
  ahead: Ahead | null;
}

/** The hash of a worker that holds nothing. */
const NOTHING = formatHash(0n);

function holdsNothing({ revision, hash }: NonNullable<Link["hello"]>): boolean {
  return revision === 0 && hash === NOTHING;
}

/**
 * The lines to the workers. A worker introduces itself with the revision and hash it
 * holds, gets everything where that is not what control holds, and from then on every
 * batch in order. A worker that misses one introduces itself again.
 */
export class Publisher {
  readonly #board: Board;
  readonly #links = new Map<number, Link>();
  #snapshot: (() => Snapshot) | null = null;
  readonly #before: BeforeWorkers[] = [];
  /** Answers workers that ask for the metrics of the node; `null`: there are none. */
  exposition: (() => Promise<string | null>) | null = null;
  #dumped: ((dump: WorkerDump) => void) | null = null;

  constructor(board: Board) {
    this.#board = board;
  }

  /** Takes over the line to the worker that owns the record. */
  connect(record: number, port: MessagePort): void {
    const link: Link = { port, synced: false, hello: null, ahead: null };
    this.#links.set(record, link);
    port.on("message", (message: WorkerToControl) => this.#receive(link, message));
    port.on("close", () => {
      if (this.#links.get(record) === link) this.#links.delete(record);
    });
  }

  /**
   * What the workers hold from an earlier control thread, of the one that has got farthest among
   * those that have introduced themselves; `null` when none answers within the limit. Only before
   * `serve`.
   */
  async inherited(limitMs: number): Promise<WorkerDump | null> {
    return await new Promise((resolve) => {
      let best: WorkerDump | null = null;
      const end = (): void => {
        clearTimeout(timer);
        this.#dumped = null;
        resolve(best);
      };
      const timer = setTimeout(end, limitMs);
      this.#dumped = (dump) => {
        if (dump.revision > (best?.revision ?? 0)) best = dump;
        const farthest = Math.max(...[...this.#links.values()].map(({ hello }) => hello?.revision ?? 0));
        if (best !== null && best.revision >= farthest) end();
      };
      for (const link of this.#links.values()) this.#askForDump(link);
    });
  }

  /** From now on workers are given what `snapshot` returns; further calls change nothing. */
  serve(snapshot: () => Snapshot): void {
    if (this.#snapshot !== null) return;
    this.#snapshot = snapshot;
    let first: Snapshot | null = null;
    for (const link of this.#links.values()) this.#synchronise(link, () => (first ??= snapshot()));
  }

  /**
   * For sending the first load while it is being checked, also to workers that say meanwhile that
   * they hold nothing; `null`: all hold something. Before `serve`, in one turn with it.
   */
  ahead(): Ahead | null {
    if (this.#snapshot !== null) return null;
    for (const link of this.#links.values()) this.#hear(link);
    if (![...this.#links.values()].some(({ hello }) => hello === null || holdsNothing(hello))) return null;
    const ahead = new Ahead(() => this.#newcomers(ahead));
    ahead.catchUp();
    return ahead;
  }

  /** From now on every change passes by here before the workers hear of it. */
  precede(before: BeforeWorkers): void {
    this.#before.push(before);
  }

  /** Tells every worker what is no part of the configuration. */
  tell(message: ControlToWorker): void {
    for (const link of this.#links.values()) if (link.synced) link.port.postMessage(message);
  }

  /** Shows on the board what the workers are to have. */
  accept(revision: number, hash: bigint): void {
    this.#board.publish(revision, hash);
  }

  /** Sends a step that was accepted to every worker. */
  publish({ fromRevision, revision, hash, changes }: Batch): void {
    for (const before of this.#before) before.apply(changes);
    const message: ControlToWorker = { type: "batch", fromRevision, revision, hash: formatHash(hash), changes };
    for (const link of this.#links.values()) if (link.synced) link.port.postMessage(message);
    this.#board.announce();
  }

  close(): void {
    for (const link of this.#links.values()) link.port.close();
  }

  /** The lines to workers that hold nothing and are given nothing yet: they are given all of it. */
  #newcomers(ahead: Ahead): readonly MessagePort[] {
    const found: MessagePort[] = [];
    // Who comes once everything is there is given just that.
    if (this.#snapshot !== null) return found;
    for (const link of this.#links.values()) {
      this.#hear(link);
      if (link.ahead !== null || link.hello === null || !holdsNothing(link.hello)) continue;
      link.ahead = ahead;
      found.push(link.port);
    }
    return found;
  }

  /** Reads how a worker introduces itself while this thread has no turn of the loop for it. */
  #hear(link: Link): void {
    while (link.hello === null) {
      const received = receiveMessageOnPort(link.port) as { message: WorkerToControl } | undefined;
      if (received === undefined) return;
      this.#receive(link, received.message);
    }
  }

  #receive(link: Link, message: WorkerToControl): void {
    if (message.type === "dump") {
      this.#dumped?.(message);
      return;
    }
    if (message.type === "scrape") {
      void this.#expose(link, message.id);
      return;
    }
    if (message.type === "cache-news") {
      for (const other of this.#links.values()) if (other !== link) other.port.postMessage(message);
      return;
    }
    link.hello = message;
    link.synced = false;
    link.ahead = null;
    if (this.#dumped !== null) this.#askForDump(link);
    this.#synchronise(link);
  }

  async #expose({ port }: Link, id: number): Promise<void> {
    const text = await (this.exposition?.() ?? null);
    port.postMessage({ type: "exposition", id, text } satisfies ControlToWorker);
  }

  #askForDump(link: Link): void {
    if (link.hello === null || link.hello.revision === 0) return;
    link.port.postMessage({ type: "dump" } satisfies ControlToWorker);
  }

  #synchronise(link: Link, snapshot = this.#snapshot): void {
    if (snapshot === null || link.hello === null) return;
    const { revision, hash, resources } = snapshot();
    const text = formatHash(hash);
    link.synced = true;
    for (const before of this.#before) for (const message of before.greeting()) link.port.postMessage(message);
    if (link.hello.revision === revision && link.hello.hash === text) return;
    if (link.ahead !== null) {
      const changes = link.ahead.rest(resources);
      link.ahead = null;
      const batch: ControlToWorker = { type: "batch", fromRevision: 0, revision, hash: text, changes };
      link.port.postMessage(batch);
      return;
    }
    let from = 0;
    for (; resources.length - from > CHUNK; from += CHUNK) {
      const chunk: ControlToWorker = { type: "chunk", resources: resources.slice(from, from + CHUNK) };
      link.port.postMessage(chunk);
    }
    const end: ControlToWorker = { type: "snapshot", revision, hash: text, resources: resources.slice(from) };
    link.port.postMessage(end);
  }
}

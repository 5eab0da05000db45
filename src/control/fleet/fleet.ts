import { hostname } from "node:os";
import type { Board } from "../../board/board.ts";
import { nodeState } from "../../board/node-state.ts";
import { formatHash } from "../../lib/content-hash.ts";
import { version } from "../../lib/version.ts";
import type { FleetNode, FleetReport } from "../../messages/messages.ts";
import type { Rejection } from "../../schema/kinds.ts";
import type { EtcdCluster, EtcdLog } from "../../source/etcd/cluster.ts";
import { type Follower, followPrefix } from "../../source/etcd/follow-prefix.ts";
import type { SourceSink } from "../../source/source.ts";
import { formatRecord, parseRecord, shortRejections } from "./fleet-record.ts";
import { keepOwnRecord, type OwnRecord } from "./own-record.ts";

/** Where nodes tell of themselves; the prefix of the resources follows, so that only nodes that share them meet. */
const PREFIX = "/turnpike/fleet";
/** Changes of one moment are one report. */
const REPORT_MS = 10;

/** What the fleet is made of. */
export interface FleetParts {
  readonly cluster: EtcdCluster;
  readonly board: Board;
  /** The prefix of the resources, `/apisix`. */
  readonly resourcePrefix: string;
  readonly watchTimeoutMs: number;
  readonly id: string;
  readonly role: string;
  readonly rejected: () => readonly Rejection[];
  readonly report: (report: FleetReport) => void;
  readonly log: EtcdLog;
}

/**
 * This node among those that follow the same etcd. It keeps a record of what it serves,
 * written only where that has changed, and watches the records of the others.
 *
 * etcd's revision grows with every record that is written, so records must not follow it,
 * or two nodes would write for ever because of each other. A record is written for
 * revisions that changed resources, and for one that another node has told of; those in
 * between serve the same.
 */
export interface Fleet {
  /** The sink for the source: notes the revisions on the way to `sink`. */
  observe(sink: SourceSink): SourceSink;
  /** Leaves the fleet where the gateway is shutting down; the cluster must be open still. */
  close(): Promise<void>;
}

/** Joins the fleet; must be closed before the cluster is. */
export function createFleet(parts: FleetParts): Fleet {
  return new FleetOfEtcd(parts);
}

class FleetOfEtcd implements Fleet {
  readonly #parts: FleetParts;
  readonly #startedAt = Date.now();
  readonly #own: OwnRecord;
  readonly #follower: Follower;
  readonly #others = new Map<string, FleetNode>();
  /** The last revision that may have changed a resource, and the one up to which that is known. */
  #changedAt = 0;
  #revision = 0;
  #error: string | null = "not read yet";
  /** The revision that the record tells. */
  #told = 0;
  #timer: NodeJS.Timeout | null = null;
  #doubled = false;
  #closed = false;

  constructor(parts: FleetParts) {
    this.#parts = parts;
    const prefix = `${PREFIX}${parts.resourcePrefix}/`;
    this.#own = keepOwnRecord(parts.cluster, prefix + parts.id, parts.log);
    this.#follower = this.#follow(prefix);
    void this.#watchBoard();
  }

  observe(sink: SourceSink): SourceSink {
    return {
      document: (document) => sink.document(document),
      snapshot: (snapshot) => {
        // Records that tell of more are those of an etcd that was restored from a backup.
        if (snapshot.revision < this.#told) this.#told = 0;
        this.#note(snapshot.revision, true);
        sink.snapshot(snapshot);
      },
      step: (step) => {
        this.#note(step.revision, step.changes.length > 0);
        sink.step(step);
      },
      failed: (error) => sink.failed(error),
      recovered: () => sink.recovered(),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#follower.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    // The wait for the board ends with the next announcement.
    this.#parts.board.announce();
    // Where another control thread follows, as in a reload, the record waits for it.
    await this.#own.close(this.#parts.board.draining);
  }

  #note(revision: number, changed: boolean): void {
    this.#revision = revision;
    if (changed) this.#changedAt = revision;
    this.#report();
  }

  async #watchBoard(): Promise<void> {
    const { board } = this.#parts;
    while (!this.#closed) {
      const seen = board.changes;
      this.#tell();
      await board.changed(seen);
    }
  }

  /** Writes the record where it would say something new. */
  #tell(): void {
    const { board, id, role, rejected } = this.#parts;
    const { revision, hash, ready } = nodeState(board);
    this.#told = this.#revisionToTell(revision);
    const list = rejected();
    const node: FleetNode = {
      id,
      name: hostname(),
      version,
      role,
      revision: this.#told,
      hash: formatHash(hash),
      ready,
      startedAt: this.#startedAt,
      rejected: shortRejections(list),
      rejectedCount: list.length,
    };
    this.#own.set(formatRecord(node));
  }

  #revisionToTell(applied: number): number {
    // Before etcd was read it is the last good configuration that serves.
    if (applied < this.#changedAt || this.#changedAt === 0 || applied === 0) return applied;
    let asked = this.#changedAt;
    for (const { revision } of this.#others.values()) if (revision <= applied) asked = Math.max(asked, revision);
    return Math.max(asked, Math.min(this.#told, applied));
  }

  #follow(prefix: string): Follower {
    const { cluster, watchTimeoutMs, log, id: own } = this.#parts;
    const options = { prefix, watchTimeoutMs, quietAttempts: 1, everyRevision: false };
    const idOf = (key: Buffer): string => key.toString().slice(prefix.length);
    return followPrefix<FleetNode>(
      cluster,
      options,
      {
        read: ({ key, value }) => parseRecord(idOf(key), value.toString()),
        snapshot: (_revision, nodes) => {
          this.#others.clear();
          for (const node of nodes) this.#place(node);
          if (!nodes.some(({ id }) => id === own)) this.#own.lost();
          this.#seen();
        },
        step: (_revision, changes) => {
          for (const { kv, deleted } of changes) {
            const id = idOf(kv.key);
            const node = deleted ? null : parseRecord(id, kv.value.toString());
            if (node !== null) this.#place(node);
            else if (id === own) this.#own.lost();
            else this.#others.delete(id);
          }
          this.#seen();
        },
        failed: (reason) => {
          this.#error = reason;
          log.warn(`fleet: the other nodes cannot be seen: ${reason}`);
          this.#report();
        },
        recovered: () => this.#seen(),
      },
      log,
    );
  }

  #place(node: FleetNode): void {
    const { id, log } = this.#parts;
    if (node.id !== id) this.#others.set(node.id, node);
    else if (node.startedAt > this.#startedAt && !this.#doubled) {
      this.#doubled = true;
      log.warn(`fleet: another node tells of itself as ${id}; each needs an id of its own (apisix.id, data/node.id)`);
    }
  }

  #seen(): void {
    this.#error = null;
    this.#tell();
    this.#report();
  }

  #report(): void {
    if (this.#closed || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const { id, report } = this.#parts;
      const others = [...this.#others.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
      report({ id, others, revision: this.#revision, changedAt: this.#changedAt, error: this.#error });
    }, REPORT_MS);
  }
}

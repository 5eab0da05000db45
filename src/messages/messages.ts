import type { MessagePort } from "node:worker_threads";
import type { CacheNews } from "../plugins/proxy-cache-news.ts";
import type { TargetEntry } from "../upstream/targets.ts";
import type { Change, Rejection } from "../schema/kinds.ts";
import type { Address, Settings } from "../settings/settings.ts";
import type { Staple } from "../tls/certificate-index.ts";
import type { TicketSeed } from "../tls/ticket-keys.ts";

/** Every message between threads. Text travels as strings; nothing else is shared but the board and the counters. */

/** What a thread is started with. */
export interface ControlData {
  readonly role: "control";
  readonly settings: Settings;
  readonly board: SharedArrayBuffer;
  /** What the thread before this one left with `keep`; `null`: nothing. */
  readonly kept: string | null;
  /** What the supervisor tells of the gateway (`GatewayVitals`). */
  readonly vitals: SharedArrayBuffer;
  /** What workers have counted so far (`MetricMemory`). */
  readonly metrics: readonly SharedArrayBuffer[];
}

export interface WorkerData {
  readonly role: "worker";
  readonly settings: Settings;
  readonly board: SharedArrayBuffer;
  /** Of the counters that all workers share. */
  readonly counters: SharedArrayBuffer;
  /** What this thread counts in (`MetricMemory`); `null`: nothing is exported. */
  readonly metrics: SharedArrayBuffer | null;
  /** Index of this thread's record on the board. */
  readonly record: number;
  readonly slot: number;
  /** Of the keys that sessions of TLS are resumed with. */
  readonly tickets: TicketSeed;
  readonly faults: readonly Fault[];
}

/** Faults that tests inject (`TURNPIKE_FAULTS`, off by default). */
export type Fault = "crash" | "hang" | "hold-start" | "hold-config";

export type SupervisorToControl =
  /** A worker thread was started; `port` leads to it. */
  | { readonly type: "connect"; readonly record: number; readonly port: MessagePort }
  /** One more worker counts in this memory. */
  | { readonly type: "metrics"; readonly memory: SharedArrayBuffer }
  /** Open the log files anew (log rotation). */
  | { readonly type: "reopen-logs" }
  /** Stop the source and the Control API, answer `closed`, then exit. */
  | { readonly type: "close" };

export type ControlToSupervisor =
  /** The Control API listens. */
  | { readonly type: "listening"; readonly address: Address | null }
  | { readonly type: "listen-failed"; readonly error: string }
  | { readonly type: "config"; readonly report: SentConfigReport }
  | { readonly type: "fleet"; readonly report: FleetReport }
  | { readonly type: "discovery"; readonly sources: readonly DiscoveryReport[] }
  | { readonly type: "checked-nodes"; readonly report: CheckedNodes }
  | { readonly type: "drain"; readonly on: boolean }
  | { readonly type: "fault"; readonly worker: number; readonly fault: Fault | "release" }
  /** For the thread that comes after this one, which alone reads it: what its source cannot tell it. */
  | { readonly type: "keep"; readonly text: string }
  | { readonly type: "closed" };

export type SupervisorToWorker =
  | { readonly type: "connect"; readonly port: MessagePort }
  /** Stop listening, go on serving what is connected, and answer `stopped-listening`. */
  | { readonly type: "stop-listening" }
  /** Stop listening, finish what is in flight, then exit; at the deadline whatever is left is cut. */
  | { readonly type: "drain"; readonly timeoutMs: number }
  | { readonly type: "reopen-logs" }
  | { readonly type: "fault"; readonly fault: Fault | "release" };

export type WorkerToSupervisor =
  | { readonly type: "listening"; readonly addresses: readonly Address[] }
  | { readonly type: "listen-failed"; readonly error: string }
  | { readonly type: "stopped-listening" }
  | { readonly type: "compile-failed"; readonly kind: string; readonly id: string; readonly error: string };

/** First message of a worker on its port to control: what it holds already. */
export interface WorkerHello {
  readonly type: "hello";
  readonly revision: number;
  /** 16 hexadecimal digits. */
  readonly hash: string;
}

/** Everything a worker holds, asked for by a control thread that has just been started. */
export interface WorkerDump {
  readonly type: "dump";
  readonly revision: number;
  readonly resources: readonly Change[];
  /** What names and services stood for last. */
  readonly targets: readonly TargetEntry[];
}

/** Asks for all metrics of the node as text; `exposition` answers. */
export interface WorkerScrape {
  readonly type: "scrape";
  readonly id: number;
}

/** What a worker tells all others of a cache in memory; control passes it on. */
export interface WorkerCacheNews {
  readonly type: "cache-news";
  readonly zone: string;
  readonly news: CacheNews;
}

export type WorkerToControl = WorkerHello | WorkerDump | WorkerScrape | WorkerCacheNews;

/** What names and services stand for now. */
export interface WorkerTargets {
  readonly type: "targets";
  readonly entries: readonly TargetEntry[];
  /**
   * Grows with every such message, over restarts of control too; the worker shows on the board which
   * one it has taken over. A worker that is new is given everything under the latest.
   */
  readonly told: number;
}

export type ControlToWorker =
  | WorkerCacheNews
  | WorkerTargets
  /** Responses of OCSP responders that have changed. */
  | { readonly type: "staples"; readonly staples: readonly Staple[] }
  | { readonly type: "dump" }
  /** What `scrape` asked for; `null`: it cannot be given. */
  | { readonly type: "exposition"; readonly id: number; readonly text: string | null }
  /**
   * Resources of the first load that were accepted while others are still being checked. The
   * `batch` from revision 0 that follows makes them count, and says what came out differently.
   */
  | { readonly type: "ahead"; readonly resources: readonly Change[] }
  /** A part of a whole configuration; visible once the `snapshot` that follows has come. */
  | { readonly type: "chunk"; readonly resources: readonly Change[] }
  /** The end of a whole configuration. */
  | {
      readonly type: "snapshot";
      readonly revision: number;
      readonly hash: string;
      readonly resources: readonly Change[];
    }
  | {
      readonly type: "batch";
      readonly fromRevision: number;
      readonly revision: number;
      readonly hash: string;
      readonly changes: readonly Change[];
    };

/** A source of service discovery, and whether its first list has come. */
export interface DiscoveryReport {
  readonly name: string;
  readonly ready: boolean;
  /** Under which number the workers were told of it (`WorkerTargets`). */
  readonly told: number;
}

/** A `ConfigReport` on its way. Rejections, which may be many, are along only where they have changed. */
export type SentConfigReport = Omit<ConfigReport, "rejected"> & Partial<Pick<ConfigReport, "rejected">>;

/** What control knows of the configuration; shown by `GET /status/config`. */
export interface ConfigReport {
  /** `yaml`, `json`, … */
  readonly source: string;
  /** 0: nothing was ever loaded. */
  readonly revision: number;
  readonly hash: string;
  /** Unix milliseconds; 0: never. */
  readonly loadedAt: number;
  /** Unix milliseconds of the last load that changed something; 0: never. */
  readonly lastChangeAt: number;
  /** The same of the first of the loads that this report tells of together. */
  readonly firstChangeAt?: number;
  /** How many resources they changed. */
  readonly changes?: number;
  /** The source's present failure or the last one; `current` while it lasts. */
  readonly lastFailure: { readonly at: number; readonly error: string; readonly current: boolean } | null;
  readonly rejected: readonly Rejection[];
  /** How many certificates are in use, and those that end first; absent: none was ever told of. */
  readonly certificates?: CertificateReport;
}

/** Until when certificates count. */
export interface CertificateReport {
  readonly count: number;
  /** By the time at which they end, the first one first; at most 20. */
  readonly soonest: readonly CertificateExpiry[];
}

/** Until when a certificate counts. A resource with several has the time of the first to end. */
export interface CertificateExpiry {
  /** The id of the resource `ssls/<id>`. */
  readonly id: string;
  /** Its names; of a client's certificate none. */
  readonly names: readonly string[];
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

/** The nodes that follow the same etcd, as control sees them; shown by `GET /status/fleet`. */
export interface FleetReport {
  /** This node's id. */
  readonly id: string;
  /** The other nodes whose leases last, by id. */
  readonly others: readonly FleetNode[];
  /** The revision up to which this node knows what etcd holds. */
  readonly revision: number;
  /** The last revision up to there that may have changed a resource: from it on all are alike. */
  readonly changedAt: number;
  /** Why the other nodes cannot be seen now; `null`: they can. */
  readonly error: string | null;
}

/** What a node tells of itself. */
export interface FleetNode {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly role: string;
  /** What every worker of the node runs with; 0: one of them does not run. */
  readonly revision: number;
  /** 16 hexadecimal digits. */
  readonly hash: string;
  readonly ready: boolean;
  /** Unix milliseconds of the start of its control thread. */
  readonly startedAt: number;
  /** The first of what it rejects, and how many there are. */
  readonly rejected: readonly FleetRejection[];
  readonly rejectedCount: number;
}

export interface FleetRejection {
  readonly kind: string;
  readonly id: string;
  readonly error: string;
  readonly revision: number;
}

/** The nodes that are health-checked; their health is on the board. */
export interface CheckedNodes {
  readonly upstreams: readonly CheckedUpstream[];
  /** Nodes that are checked, but left out here because there are too many. */
  readonly unlisted: number;
}

export interface CheckedUpstream {
  /** The resource that holds the upstream, as in `upstreams/1`. */
  readonly key: string;
  readonly probe: "http" | "https" | "tcp";
  readonly nodes: readonly {
    /** `host:port`. */
    readonly address: string;
    readonly name: string;
    /** In the health table. */
    readonly place: number;
  }[];
}

import { familyNames, type FamilyName } from "../lib/metric-families.ts";
import { SeriesTable, tableBytes, type TableShape } from "./series-table.ts";

/**
 * What one worker thread counts, in shared memory: a table for each family of series, and
 * numbers of the worker itself. The supervisor owns the memory. When a thread has ended,
 * the next one goes on counting in its memory: no count ever goes back, and what a thread
 * that hangs or has died has counted is exported all the same.
 */

/** What decides how large the tables are; memory can be handed on only where it is equal. */
export interface MetricShape {
  readonly maxSeries: number;
  /** Bounds of the buckets of histograms, without that of infinity. */
  readonly buckets: number;
}

/** Places besides those of `maxSeries`, for the series that stand for all that have none. */
export const SPARE_PLACES = 32;
/** What the families that plugins count events in get at most. */
const MAX_SMALL = 1_000;

/** Numbers of a worker besides its series. */
export const WorkerCell = {
  /** Requests answered. */
  requests: 0,
  /** Connections accepted. */
  accepted: 1,
  /** Connections that are more than `worker_connections` allow. */
  refused: 2,
  /** Attempts to connect to nodes that came to nothing. */
  connectFailures: 3,
  /** Gauges: connections that send a head, that are being answered, that wait. Cleared when a thread begins. */
  reading: 4,
  writing: 5,
  waiting: 6,
  /** Of TCP and UDP streams: those beyond `worker_connections`, and attempts to connect that came to nothing. */
  streamsRefused: 7,
  streamConnectFailures: 8,
  /** Counts that had no place of their own; then one for each family. */
  overflowed: 9,
} as const;
const WORKER_CELLS = 32;

/** Word 0 moves when control has retired places. */
const HEADER_BYTES = 64;

/** Numbers of each series. */
export function cellsOf(family: FamilyName, { buckets }: MetricShape): number {
  // Three histograms: buckets, the one of infinity, the sum.
  if (family === "http_latency") return 3 * (buckets + 2);
  return family === "bandwidth" ? 2 : 1;
}

function shapeOf(family: FamilyName, shape: MetricShape): TableShape {
  const large = family === "http_status" || family === "http_latency" || family === "bandwidth";
  const places = large ? shape.maxSeries : Math.min(shape.maxSeries, MAX_SMALL);
  return { capacity: places + SPARE_PLACES, cells: cellsOf(family, shape) };
}

/** Bytes of the memory of one worker. The system gives what is used of it only. */
export function metricBytes(shape: MetricShape): number {
  const tables = familyNames.reduce((sum, family) => sum + tableBytes(shapeOf(family, shape)), 0);
  return HEADER_BYTES + WORKER_CELLS * 8 + tables;
}

export class MetricMemory {
  readonly memory: SharedArrayBuffer;
  readonly shape: MetricShape;
  /** See `WorkerCell`. */
  readonly worker: Float64Array<SharedArrayBuffer>;
  readonly #header: Int32Array<SharedArrayBuffer>;
  readonly #tables: ReadonlyMap<FamilyName, SeriesTable>;

  constructor(shape: MetricShape, memory: SharedArrayBuffer = new SharedArrayBuffer(metricBytes(shape))) {
    this.memory = memory;
    this.shape = shape;
    this.#header = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.worker = new Float64Array(memory, HEADER_BYTES, WORKER_CELLS);
    let offset = HEADER_BYTES + WORKER_CELLS * 8;
    this.#tables = new Map(
      familyNames.map((family) => {
        const own = shapeOf(family, shape);
        const table = new SeriesTable(memory, offset, own);
        offset += tableBytes(own);
        return [family, table];
      }),
    );
  }

  table(family: FamilyName): SeriesTable {
    return this.#tables.get(family)!;
  }

  /** A number that moves when places were retired. */
  get retirements(): number {
    return Atomics.load(this.#header, 0);
  }

  /** Control only, after places were retired. */
  announceRetirement(): void {
    Atomics.add(this.#header, 0, 1);
  }
}

/** Where the counts of a family that had no place are counted. */
export const overflowCell = (family: FamilyName): number => WorkerCell.overflowed + familyNames.indexOf(family);

import { type FamilyName, familyNames, metricFamilies } from "../lib/metric-families.ts";
import { type MetricMemory, overflowCell, SPARE_PLACES, WorkerCell } from "./metric-memory.ts";
import { LABEL_BYTES, SeriesState, type SeriesTable } from "./series-table.ts";

/** Longer values of labels are cut. */
const MAX_LABEL = 200;
/** The value of labels in series that stand for all that have no place. */
const OVERFLOW = "overflow";
/** Stands between the route and the labels of a series, in its text. */
export const SEPARATOR = "\0";
/** In place of the route of such series; no route has this id. */
const NO_PLACE = "*";

/** The numbers of one series. */
export interface WrittenSeries {
  readonly cells: Float64Array<SharedArrayBuffer>;
  readonly at: number;
  readonly overflow: boolean;
}

/** The series of one family, as the thread that writes them knows them. */
class FamilyWriter {
  readonly #family: FamilyName;
  readonly #table: SeriesTable;
  readonly #memory: MetricMemory;
  readonly #known = new Map<string, WrittenSeries>();
  readonly #free: number[] = [];
  #next: number;
  #spare = 0;

  constructor(family: FamilyName, memory: MetricMemory) {
    this.#family = family;
    this.#memory = memory;
    const table = (this.#table = memory.table(family));
    const gauge = metricFamilies[family].type === "gauge";
    this.#next = table.used;
    for (let place = 0; place < table.used; place++) {
      if (table.state(place) !== SeriesState.live) {
        table.free(place);
        this.#free.push(place);
        continue;
      }
      const text = table.text(place);
      const overflow = isOverflow(text);
      if (overflow) this.#spare++;
      if (gauge) table.clear(place);
      this.#known.set(text, this.#at(place, overflow));
    }
  }

  get(route: string, labels: readonly string[]): WrittenSeries {
    const text = textOf(route, labels);
    return this.#known.get(text) ?? this.#make(text) ?? this.#overflow(labels);
  }

  /** Frees what control has retired; whether there was something. */
  sweep(): boolean {
    const table = this.#table;
    let freed = false;
    for (const [text, { at }] of this.#known) {
      const place = at / table.shape.cells;
      if (table.state(place) !== SeriesState.retired) continue;
      this.#known.delete(text);
      if (isOverflow(text)) this.#spare--;
      table.free(place);
      this.#free.push(place);
      freed = true;
    }
    return freed;
  }

  /** `null`: no place, or a text that no place can hold. */
  #make(text: string, overflow = false): WrittenSeries | null {
    const { capacity } = this.#table.shape;
    const inUse = this.#next - this.#free.length;
    if (inUse >= capacity || (!overflow && inUse - this.#spare >= capacity - SPARE_PLACES)) return null;
    const bytes = Buffer.from(text);
    if (bytes.length > LABEL_BYTES) return null;
    const place = this.#free.pop() ?? this.#next++;
    this.#table.occupy(place, bytes);
    const series = this.#at(place, overflow);
    this.#known.set(text, series);
    if (overflow) this.#spare++;
    return series;
  }

  /** The series of everything that has none; it differs in the labels that the family keeps. */
  #overflow(labels: readonly string[]): WrittenSeries {
    this.#memory.worker[overflowCell(this.#family)]!++;
    const { labels: names, kept }: { labels: readonly string[]; kept: readonly string[] } =
      metricFamilies[this.#family];
    const merged = (keep: boolean): string =>
      textOf(
        NO_PLACE,
        labels.map((value, i) => (keep && kept.includes(names[i] ?? "") ? value : OVERFLOW)),
      );
    const text = merged(true);
    const found = this.#known.get(text) ?? (this.#spare < SPARE_PLACES - 1 ? this.#make(text, true) : null);
    if (found !== null) return found;
    const last = merged(false);
    // The last spare place is left for it.
    return this.#known.get(last) ?? this.#make(last, true)!;
  }

  #at(place: number, overflow: boolean): WrittenSeries {
    return { cells: this.#table.cells, at: place * this.#table.shape.cells, overflow };
  }
}

/** What one worker thread counts in its memory. `plugin/metrics.ts` says what each call means. */
export class MetricWriter {
  readonly #memory: MetricMemory;
  readonly #families: ReadonlyMap<FamilyName, FamilyWriter>;
  readonly #ask: () => Promise<string | null>;
  #seen: number;
  /** What the thread before has counted of each of the worker's own counters. */
  readonly #before: Float64Array;
  epoch = 0;

  /** @param ask asks control for all metrics. */
  constructor(memory: MetricMemory, ask: () => Promise<string | null> = () => Promise.resolve(null)) {
    this.#memory = memory;
    this.#seen = memory.retirements;
    this.#families = new Map(familyNames.map((family) => [family, new FamilyWriter(family, memory)]));
    this.#ask = ask;
    this.#before = memory.worker.slice();
    memory.worker.fill(0, WorkerCell.reading, WorkerCell.waiting + 1);
  }

  series(family: FamilyName, route: string, labels: readonly string[]): WrittenSeries {
    return this.#families.get(family)!.get(route, labels);
  }

  add(family: FamilyName, labels: readonly string[], amount: number): void {
    const { cells, at } = this.series(family, "", labels);
    cells[at]! += amount;
  }

  set(family: FamilyName, labels: readonly string[], value: number): void {
    const { cells, at } = this.series(family, "", labels);
    cells[at] = value;
  }

  exposition(): Promise<string | null> {
    return this.#ask();
  }

  /** A counter of this thread, on top of what the threads before it have counted. */
  total(cell: number, count: number): void {
    this.#memory.worker[cell] = this.#before[cell]! + count;
  }

  gauge(cell: number, value: number): void {
    this.#memory.worker[cell] = value;
  }

  /** Frees what control has retired. To be called a few times a minute at least. */
  sweep(): void {
    const { retirements } = this.#memory;
    if (retirements === this.#seen) return;
    this.#seen = retirements;
    let freed = false;
    for (const family of this.#families.values()) freed = family.sweep() || freed;
    if (freed) this.epoch++;
  }
}

function textOf(route: string, labels: readonly string[]): string {
  let text = route;
  for (const label of labels) text += SEPARATOR + clean(label);
  return text;
}

/** A label never holds the separator. */
function clean(label: string): string {
  const short = label.length > MAX_LABEL ? label.slice(0, MAX_LABEL) : label;
  return short.includes(SEPARATOR) ? short.replaceAll(SEPARATOR, " ") : short;
}

/** The route and the labels of a series' text. */
export function labelsOf(text: string): { readonly route: string; readonly labels: readonly string[] } {
  const [route = "", ...labels] = text.split(SEPARATOR);
  return { route, labels };
}

/** Whether a series stands for all that have no place. */
export const isOverflow = (text: string): boolean => text.startsWith(NO_PLACE + SEPARATOR);

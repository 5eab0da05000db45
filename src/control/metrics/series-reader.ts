import { setImmediate } from "node:timers/promises";
import type { MetricMemory } from "../../board/metric-memory.ts";
import { SeriesState, type SeriesTable } from "../../board/series-table.ts";
import type { FamilyName } from "../../lib/metric-families.ts";

/** Places that are looked at in one turn of the event loop. */
const PER_TURN = 2_000;

/** The series of all workers, added up by their text. */
export type SeriesTotals = ReadonlyMap<string, Float64Array>;

/** Texts of a table's places, which are read once for each generation. */
interface KnownTexts {
  readonly texts: string[];
  readonly generations: number[];
}

/**
 * Reads what the workers have counted. It looks into their memory and asks none of them;
 * it lets the event loop go on between one part and the next.
 */
export class SeriesReader {
  readonly #memories: MetricMemory[] = [];
  readonly #known = new WeakMap<SeriesTable, KnownTexts>();

  /** Takes in the memory of one more worker. */
  add(memory: MetricMemory): void {
    this.#memories.push(memory);
  }

  /** A number of all workers together. */
  workerTotal(cell: number): number {
    return this.#memories.reduce((sum, { worker }) => sum + worker[cell]!, 0);
  }

  /** All live series of a family. */
  async totals(family: FamilyName): Promise<SeriesTotals> {
    const totals = new Map<string, Float64Array>();
    let looked = 0;
    for (const memory of this.#memories) {
      const table = memory.table(family);
      for (let place = 0; place < table.used; place++) {
        if (++looked % PER_TURN === 0) await setImmediate();
        this.#addPlace(table, place, totals);
      }
    }
    return totals;
  }

  /** Retires these series in every worker. */
  async retire(family: FamilyName, texts: ReadonlySet<string>): Promise<void> {
    let looked = 0;
    for (const memory of this.#memories) {
      const table = memory.table(family);
      for (let place = 0; place < table.used; place++) {
        if (++looked % PER_TURN === 0) await setImmediate();
        if (table.state(place) === SeriesState.live && texts.has(this.#textOf(table, place))) table.retire(place);
      }
      memory.announceRetirement();
    }
  }

  /** How full the fullest worker is, from 0 to 1. */
  fullness(family: FamilyName): number {
    let most = 0;
    for (const memory of this.#memories) {
      const table = memory.table(family);
      if (table.used < memory.shape.maxSeries * 0.9) continue;
      let live = 0;
      for (let place = 0; place < table.used; place++) if (table.state(place) === SeriesState.live) live++;
      most = Math.max(most, live / memory.shape.maxSeries);
    }
    return most;
  }

  #addPlace(table: SeriesTable, place: number, totals: Map<string, Float64Array>): void {
    const generation = table.generation(place);
    if (generation % 2 !== 0 || table.state(place) !== SeriesState.live) return;
    const text = this.#textOf(table, place);
    const { cells } = table.shape;
    const from = place * cells;
    const numbers = table.cells.slice(from, from + cells);
    // It was given to another series meanwhile: that one is read next time.
    if (table.generation(place) !== generation) return;
    const sum = totals.get(text);
    if (sum === undefined) totals.set(text, numbers);
    else for (let i = 0; i < cells; i++) sum[i]! += numbers[i]!;
  }

  #textOf(table: SeriesTable, place: number): string {
    let known = this.#known.get(table);
    if (known === undefined) this.#known.set(table, (known = { texts: [], generations: [] }));
    const generation = table.generation(place);
    if (known.generations[place] !== generation) {
      known.texts[place] = table.text(place);
      known.generations[place] = generation;
    }
    return known.texts[place]!;
  }
}

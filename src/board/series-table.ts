/**
 * The series of one metric in shared memory: a fixed number of places with the text of
 * their labels and a few numbers each. One worker thread writes; control reads, and marks
 * places as retired. A place goes through these states and no others:
 *
 *   free ──worker writes labels, zeroes the numbers──▶ live ──control──▶ retired ──worker──▶ free
 *
 * The numbers are doubles that their one writer adds to without atomic operations: all
 * platforms write eight aligned bytes in one piece, and a reader that sees the number
 * before the last is none the worse. A place's generation is odd while the worker changes
 * whose it is, so that a reader can tell that it looked at two series at once.
 */

export const SeriesState = { free: 0, live: 1, retired: 2 } as const;

/** Bytes for the labels of a series; what is longer has no place. */
export const LABEL_BYTES = 1_024;

/** How large a table is. */
export interface TableShape {
  readonly capacity: number;
  /** Numbers of each series. */
  readonly cells: number;
}

const WORDS = 3;
const Word = { state: 0, generation: 1, length: 2 } as const;

/** Bytes of a table; a multiple of eight. */
export function tableBytes({ capacity, cells }: TableShape): number {
  const words = Math.ceil((1 + capacity * WORDS) / 2) * 8;
  return words + capacity * cells * 8 + capacity * LABEL_BYTES;
}

export class SeriesTable {
  readonly shape: TableShape;
  /** The numbers of all series; those of a place begin at `place * shape.cells`. */
  readonly cells: Float64Array<SharedArrayBuffer>;
  /** The number of places that were ever used, then three words for each. */
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #text: Uint8Array<SharedArrayBuffer>;

  /** @param offset a multiple of eight. */
  constructor(memory: SharedArrayBuffer, offset: number, shape: TableShape) {
    this.shape = shape;
    const words = 1 + shape.capacity * WORDS;
    const cellsAt = offset + Math.ceil(words / 2) * 8;
    const textAt = cellsAt + shape.capacity * shape.cells * 8;
    this.#words = new Int32Array(memory, offset, words);
    this.cells = new Float64Array(memory, cellsAt, shape.capacity * shape.cells);
    this.#text = new Uint8Array(memory, textAt, shape.capacity * LABEL_BYTES);
  }

  /** Places up to this one were used at some time. */
  get used(): number {
    return Atomics.load(this.#words, 0);
  }

  state(place: number): number {
    return Atomics.load(this.#words, at(place, Word.state));
  }

  /** Odd while the place is being changed. */
  generation(place: number): number {
    return Atomics.load(this.#words, at(place, Word.generation));
  }

  /** The labels of a place as they were written. */
  text(place: number): string {
    const length = Atomics.load(this.#words, at(place, Word.length));
    const from = place * LABEL_BYTES;
    return Buffer.from(this.#text.slice(from, from + length)).toString("utf8");
  }

  /** Gives a free place to a series. Writer only; `text` is not longer than `LABEL_BYTES`. */
  occupy(place: number, text: Uint8Array): void {
    Atomics.add(this.#words, at(place, Word.generation), 1);
    this.clear(place);
    this.#text.set(text, place * LABEL_BYTES);
    Atomics.store(this.#words, at(place, Word.length), text.length);
    Atomics.store(this.#words, at(place, Word.state), SeriesState.live);
    Atomics.add(this.#words, at(place, Word.generation), 1);
    if (place >= this.used) Atomics.store(this.#words, 0, place + 1);
  }

  /** Writer only. */
  clear(place: number): void {
    const from = place * this.shape.cells;
    this.cells.fill(0, from, from + this.shape.cells);
  }

  /** Takes a place back that control has retired. Writer only. */
  free(place: number): void {
    Atomics.store(this.#words, at(place, Word.state), SeriesState.free);
  }

  /** Marks a live place: it is shown no more, and the worker will free it. Control only. */
  retire(place: number): void {
    Atomics.compareExchange(this.#words, at(place, Word.state), SeriesState.live, SeriesState.retired);
  }
}

const at = (place: number, word: number): number => 1 + place * WORDS + word;

/** The cell that holds where the root is. */
const ROOT = 0;
/**
 * A node is a block of cells: the length of its label, the place of its value, the number of its children; then
 * the label, the first characters of the children in ascending order, and where these are.
 */
const VALUE = 1;
const COUNT = 2;
const HEAD = 3;
const NONE = -1;
const MIN_CELLS = 48;

/** A node as it is read to be changed; characters are codes. */
interface Node {
  readonly label: readonly number[];
  readonly value: number;
  readonly codes: readonly number[];
  readonly children: readonly number[];
}

/**
 * A compressed prefix tree (radix tree) that changes in place: setting or deleting one key writes the nodes on
 * its path and nothing else. What a lookup waits for is memory, so the nodes stand in one array of numbers: each is
 * a cache line or two, and a collection of garbage has nothing to follow.
 */
export class PrefixTree<T> {
  #cells = new Int32Array(MIN_CELLS);
  #used = ROOT + 1;
  /** Blocks that are not used any more, by size. */
  readonly #free = new Map<number, number[]>();
  readonly #values: (T | undefined)[] = [];
  readonly #freeValues: number[] = [];

  constructor() {
    this.#cells[ROOT] = this.#write({ label: [], value: NONE, codes: [], children: [] });
  }

  get empty(): boolean {
    return this.#values.length === this.#freeValues.length;
  }

  /** What was set for exactly this key. */
  get(key: string): T | undefined {
    const slot = this.#locate(key).at(-1);
    return slot === undefined ? undefined : this.#values[this.#cells[this.#cells[slot]! + VALUE]!];
  }

  set(key: string, value: T): void {
    let slot = ROOT;
    let at = 0;
    for (;;) {
      const shared = this.#sharedLength(this.#cells[slot]!, key, at);
      if (shared < this.#cells[this.#cells[slot]!]!) this.#split(slot, shared);
      at += shared;
      if (at === key.length) break;
      const child = this.#slotOf(this.#cells[slot]!, key.charCodeAt(at));
      if (child === NONE) {
        this.#attach(slot, { label: codesOf(key.slice(at)), value: this.#keep(value), codes: [], children: [] });
        return;
      }
      slot = child;
    }
    const place = this.#cells[slot]! + VALUE;
    if (this.#cells[place] === NONE) this.#cells[place] = this.#keep(value);
    else this.#values[this.#cells[place]!] = value;
  }

  /** Also removes the nodes that have become useless. */
  delete(key: string): void {
    const slots = this.#locate(key);
    const slot = slots.at(-1);
    if (slot === undefined) return;
    const node = this.#cells[slot]!;
    const value = this.#cells[node + VALUE]!;
    if (value === NONE) return;
    this.#values[value] = undefined;
    this.#freeValues.push(value);
    this.#cells[node + VALUE] = NONE;
    const parent = slots.at(-2);
    if (parent === undefined || this.#cells[node + COUNT]! > 0) this.#joinOnlyChild(slot);
    else {
      this.#detach(parent, node);
      this.#joinOnlyChild(parent);
    }
  }

  /**
   * Writes where the values of all keys are that `text` begins with, the shortest first, and returns
   * their number; `valueAt` reads them until the tree changes. Allocates nothing once `places` is long enough.
   */
  prefixesOf(text: string, places: number[]): number {
    const cells = this.#cells;
    let node = cells[ROOT]!;
    let at = 0;
    let found = 0;
    for (;;) {
      const size = cells[node]!;
      if (at + size > text.length) return found;
      const label = node + HEAD;
      // The first character was compared on the way here.
      for (let i = 1; i < size; i++) if (cells[label + i] !== text.charCodeAt(at + i)) return found;
      at += size;
      const value = cells[node + VALUE]!;
      if (value !== NONE) places[found++] = value;
      if (at === text.length) return found;
      const count = cells[node + COUNT]!;
      const child = positionOf(cells, label + size, count, text.charCodeAt(at));
      if (child === NONE) return found;
      node = cells[label + size + count + child]!;
    }
  }

  valueAt(place: number): T {
    return this.#values[place] as T;
  }

  /** The cells that lead to the node of exactly this key, from the root's on; empty: there is none. */
  #locate(key: string): readonly number[] {
    const slots = [ROOT];
    let at = 0;
    for (;;) {
      const node = this.#cells[slots.at(-1)!]!;
      const size = this.#cells[node]!;
      if (this.#sharedLength(node, key, at) < size) return [];
      at += size;
      if (at === key.length) return slots;
      const child = this.#slotOf(node, key.charCodeAt(at));
      if (child === NONE) return [];
      slots.push(child);
    }
  }

  /** The cell that holds where the child is whose label begins so, or `NONE`. */
  #slotOf(node: number, code: number): number {
    const codes = node + HEAD + this.#cells[node]!;
    const count = this.#cells[node + COUNT]!;
    const child = positionOf(this.#cells, codes, count, code);
    return child === NONE ? NONE : codes + count + child;
  }

  #sharedLength(node: number, key: string, at: number): number {
    const most = Math.min(this.#cells[node]!, key.length - at);
    let length = 0;
    while (length < most && this.#cells[node + HEAD + length] === key.charCodeAt(at + length)) length++;
    return length;
  }

  /** Makes two nodes of one, the upper with the first `length` characters of its label. */
  #split(slot: number, length: number): void {
    const node = this.#read(this.#cells[slot]!);
    const lower = this.#write({ ...node, label: node.label.slice(length) });
    const label = node.label.slice(0, length);
    this.#replace(slot, { label, value: NONE, codes: [node.label[length]!], children: [lower] });
  }

  #attach(slot: number, leaf: Node): void {
    const child = this.#write(leaf);
    const { codes, children, ...node } = this.#read(this.#cells[slot]!);
    const [code] = leaf.label as [number];
    const after = codes.findIndex((other) => other > code);
    const index = after < 0 ? codes.length : after;
    const withChild = { codes: codes.toSpliced(index, 0, code), children: children.toSpliced(index, 0, child) };
    this.#replace(slot, { ...node, ...withChild });
  }

  #detach(slot: number, child: number): void {
    const { codes, children, ...node } = this.#read(this.#cells[slot]!);
    const index = children.indexOf(child);
    this.#replace(slot, { ...node, codes: codes.toSpliced(index, 1), children: children.toSpliced(index, 1) });
    this.#release(child);
  }

  /** Joins a node that keeps nothing with its single child, so that no chain of empty nodes is left. */
  #joinOnlyChild(slot: number): void {
    const { label, value, children } = this.#read(this.#cells[slot]!);
    const [only] = children;
    if (slot === ROOT || value !== NONE || only === undefined || children.length > 1) return;
    const child = this.#read(only);
    this.#replace(slot, { ...child, label: [...label, ...child.label] });
    this.#release(only);
  }

  #read(at: number): Node {
    const size = this.#cells[at]!;
    const count = this.#cells[at + COUNT]!;
    const label = at + HEAD;
    const codes = label + size;
    return {
      label: [...this.#cells.subarray(label, codes)],
      value: this.#cells[at + VALUE]!,
      codes: [...this.#cells.subarray(codes, codes + count)],
      children: [...this.#cells.subarray(codes + count, codes + 2 * count)],
    };
  }

  #write({ label, value, codes, children }: Node): number {
    const block = [label.length, value, codes.length, ...label, ...codes, ...children];
    const at = this.#free.get(block.length)?.pop() ?? this.#grow(block.length);
    this.#cells.set(block, at);
    return at;
  }

  #replace(slot: number, node: Node): void {
    this.#release(this.#cells[slot]!);
    // Writing may move all cells.
    const at = this.#write(node);
    this.#cells[slot] = at;
  }

  /** A block of so many cells that nothing was in yet. */
  #grow(size: number): number {
    const at = this.#used;
    this.#used += size;
    if (this.#used > this.#cells.length) {
      const cells = new Int32Array(Math.ceil(this.#used * 1.5));
      cells.set(this.#cells);
      this.#cells = cells;
    }
    return at;
  }

  #release(at: number): void {
    const size = HEAD + this.#cells[at]! + 2 * this.#cells[at + COUNT]!;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [at]);
    else free.push(at);
  }

  #keep(value: T): number {
    const place = this.#freeValues.pop() ?? this.#values.length;
    this.#values[place] = value;
    return place;
  }
}

/** Where `code` is among `count` ascending ones that begin at `from`; `NONE`: nowhere. */
function positionOf(cells: Int32Array, from: number, count: number, code: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cells[from + middle]! < code) low = middle + 1;
    else high = middle;
  }
  return low < count && cells[from + low] === code ? low : NONE;
}

function codesOf(text: string): readonly number[] {
  return Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
}

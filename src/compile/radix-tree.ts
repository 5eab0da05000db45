import { flat } from "../lib/flat-string.ts";

const NO_LINKS: readonly never[] = [];

/**
 * A compressed prefix tree that changes in place: inserting or removing one key
 * touches the nodes on its path and nothing else.
 *
 * Lookups allocate nothing: they return the deepest node whose key is a prefix of
 * the text, and the caller climbs `parent` towards shorter prefixes.
 */
export class RadixNode<T> {
  /**
   * The children, each after the first character code of its label, ascending by that: in one list, since
   * what a lookup waits for is memory. Leaves, which are most nodes, share one that is empty.
   */
  links: Links<T> = NO_LINKS;
  #size = 0;
  #label = "";
  /** What is kept under exactly this key. */
  value: T | null = null;
  parent: RadixNode<T> | null;

  constructor(label: string, parent: RadixNode<T> | null) {
    this.label = label;
    this.parent = parent;
  }

  /** The piece of the key between the parent and this node; empty at the root. */
  get label(): string {
    return this.#label;
  }

  set label(label: string) {
    this.#size = label.length;
    this.#label = flat(label);
  }

  /** Length of the label: where it is 1, nobody has to read what the way here has shown. */
  get size(): number {
    return this.#size;
  }
}

type Links<T> = readonly (number | RadixNode<T>)[];

export class RadixTree<T> {
  readonly root = new RadixNode<T>("", null);

  get empty(): boolean {
    return this.root.value === null && this.root.links.length === 0;
  }

  /** The node of exactly this key, made where it is missing. */
  insert(key: string): RadixNode<T> {
    let node = this.root;
    let at = 0;
    while (at < key.length) {
      const child = childOf(node, key.charCodeAt(at));
      if (child === null) return attach(node, key.slice(at));
      const shared = sharedLength(child.label, key, at);
      if (shared < child.label.length) return this.#insertInto(child, shared, key, at + shared);
      at += shared;
      node = child;
    }
    return node;
  }

  /** Splits `child` after `shared` characters and puts the rest of the key beside it. */
  #insertInto(child: RadixNode<T>, shared: number, key: string, at: number): RadixNode<T> {
    const parent = child.parent as RadixNode<T>;
    const middle = new RadixNode<T>(child.label.slice(0, shared), parent);
    replaceChild(parent, middle);
    child.label = child.label.slice(shared);
    child.parent = middle;
    middle.links = [child.label.charCodeAt(0), child];
    return at === key.length ? middle : attach(middle, key.slice(at));
  }

  /** The node of exactly this key, or `null`. */
  find(key: string): RadixNode<T> | null {
    const node = this.deepest(key);
    let length = 0;
    for (let up: RadixNode<T> | null = node; up !== null; up = up.parent) length += up.size;
    return length === key.length ? node : null;
  }

  /** Takes the value off a node of this tree and removes the nodes that have become useless. */
  remove(node: RadixNode<T>): void {
    node.value = null;
    let leaf = node;
    while (leaf.value === null && leaf.links.length === 0 && leaf.parent !== null) {
      const parent: RadixNode<T> = leaf.parent;
      parent.links = parent.links.toSpliced(indexOfCode(parent.links, leaf.label.charCodeAt(0)), 2);
      leaf = parent;
    }
    joinOnlyChild(leaf);
  }

  /** The deepest node whose key is a prefix of `text`. */
  deepest(text: string): RadixNode<T> {
    let node = this.root;
    let at = 0;
    for (;;) {
      if (at >= text.length) return node;
      const child = childOf(node, text.charCodeAt(at));
      if (child === null) return node;
      const { size } = child;
      if (at + size > text.length) return node;
      if (size > 1) {
        const { label } = child;
        for (let i = 1; i < size; i++) if (label.charCodeAt(i) !== text.charCodeAt(at + i)) return node;
      }
      at += size;
      node = child;
    }
  }

  /** As `deepest`, but reads `text` backwards: for keys that were inserted reversed. */
  deepestReversed(text: string): RadixNode<T> {
    let node = this.root;
    let left = text.length;
    for (;;) {
      if (left === 0) return node;
      const child = childOf(node, text.charCodeAt(left - 1));
      if (child === null) return node;
      const { size } = child;
      if (size > left) return node;
      if (size > 1) {
        const { label } = child;
        for (let i = 1; i < size; i++) if (label.charCodeAt(i) !== text.charCodeAt(left - 1 - i)) return node;
      }
      left -= size;
      node = child;
    }
  }
}

function childOf<T>({ links }: RadixNode<T>, code: number): RadixNode<T> | null {
  const index = indexOfCode(links, code);
  return links[index] === code ? (links[index + 1] as RadixNode<T>) : null;
}

/** Where `code` is, or would be put, among those in `links`. */
function indexOfCode<T>(links: Links<T>, code: number): number {
  let low = 0;
  let high = links.length >>> 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((links[middle << 1] as number) < code) low = middle + 1;
    else high = middle;
  }
  return low << 1;
}

function attach<T>(parent: RadixNode<T>, label: string): RadixNode<T> {
  const node = new RadixNode<T>(label, parent);
  const code = label.charCodeAt(0);
  parent.links = parent.links.toSpliced(indexOfCode(parent.links, code), 0, code, node);
  return node;
}

/** Links `node` in the place of the child whose label begins as its label does. */
function replaceChild<T>(parent: RadixNode<T>, node: RadixNode<T>): void {
  parent.links = parent.links.with(indexOfCode(parent.links, node.label.charCodeAt(0)) + 1, node);
}

function sharedLength(label: string, key: string, at: number): number {
  const most = Math.min(label.length, key.length - at);
  let length = 1;
  while (length < most && label.charCodeAt(length) === key.charCodeAt(at + length)) length++;
  return length;
}

/** Joins a node that keeps nothing with its single child, so that no chain of empty nodes is left. */
function joinOnlyChild<T>(node: RadixNode<T>): void {
  const child = node.links[1] as RadixNode<T> | undefined;
  if (node.value !== null || node.parent === null || node.links.length !== 2 || child === undefined) return;
  const { parent } = node;
  child.label = node.label + child.label;
  child.parent = parent;
  replaceChild(parent, child);
}

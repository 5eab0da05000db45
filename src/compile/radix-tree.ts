const NO_CODES: readonly number[] = [];
const NO_CHILDREN: readonly never[] = [];

/**
 * A compressed prefix tree that changes in place: inserting or removing one key
 * touches the nodes on its path and nothing else.
 *
 * Lookups allocate nothing: they return the deepest node whose key is a prefix of
 * the text, and the caller climbs `parent` towards shorter prefixes.
 */
export class RadixNode<T> {
  /** The piece of the key between the parent and this node; empty at the root. */
  label: string;
  parent: RadixNode<T> | null;
  /** What is kept under exactly this key. */
  value: T | null = null;
  /** First character codes of `children`, ascending. Leaves, which are most nodes, share one empty list. */
  codes: readonly number[] = NO_CODES;
  children: readonly RadixNode<T>[] = NO_CHILDREN;

  constructor(label: string, parent: RadixNode<T> | null) {
    this.label = label;
    this.parent = parent;
  }
}

export class RadixTree<T> {
  readonly root = new RadixNode<T>("", null);

  get empty(): boolean {
    return this.root.value === null && this.root.children.length === 0;
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
    parent.children = parent.children.with(indexOfCode(parent.codes, child.label.charCodeAt(0)), middle);
    child.label = child.label.slice(shared);
    child.parent = middle;
    middle.codes = [child.label.charCodeAt(0)];
    middle.children = [child];
    return at === key.length ? middle : attach(middle, key.slice(at));
  }

  /** The node of exactly this key, or `null`. */
  find(key: string): RadixNode<T> | null {
    const node = this.deepest(key);
    let length = 0;
    for (let up: RadixNode<T> | null = node; up !== null; up = up.parent) length += up.label.length;
    return length === key.length ? node : null;
  }

  /** Takes the value off a node of this tree and removes the nodes that have become useless. */
  remove(node: RadixNode<T>): void {
    node.value = null;
    let leaf = node;
    while (leaf.value === null && leaf.children.length === 0 && leaf.parent !== null) {
      const parent: RadixNode<T> = leaf.parent;
      const index = indexOfCode(parent.codes, leaf.label.charCodeAt(0));
      parent.codes = parent.codes.toSpliced(index, 1);
      parent.children = parent.children.toSpliced(index, 1);
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
      const { label } = child;
      if (at + label.length > text.length) return node;
      for (let i = 1; i < label.length; i++) {
        if (label.charCodeAt(i) !== text.charCodeAt(at + i)) return node;
      }
      at += label.length;
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
      const { label } = child;
      if (label.length > left) return node;
      for (let i = 1; i < label.length; i++) {
        if (label.charCodeAt(i) !== text.charCodeAt(left - 1 - i)) return node;
      }
      left -= label.length;
      node = child;
    }
  }
}

function childOf<T>(node: RadixNode<T>, code: number): RadixNode<T> | null {
  const index = indexOfCode(node.codes, code);
  return node.codes[index] === code ? (node.children[index] as RadixNode<T>) : null;
}

/** Where `code` is, or would be put, in the ascending `codes`. */
function indexOfCode(codes: readonly number[], code: number): number {
  let low = 0;
  let high = codes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((codes[middle] as number) < code) low = middle + 1;
    else high = middle;
  }
  return low;
}

function attach<T>(parent: RadixNode<T>, label: string): RadixNode<T> {
  const node = new RadixNode<T>(label, parent);
  const index = indexOfCode(parent.codes, label.charCodeAt(0));
  parent.codes = parent.codes.toSpliced(index, 0, label.charCodeAt(0));
  parent.children = parent.children.toSpliced(index, 0, node);
  return node;
}

function sharedLength(label: string, key: string, at: number): number {
  const most = Math.min(label.length, key.length - at);
  let length = 1;
  while (length < most && label.charCodeAt(length) === key.charCodeAt(at + length)) length++;
  return length;
}

/** Joins a node that keeps nothing with its single child, so that no chain of empty nodes is left. */
function joinOnlyChild<T>(node: RadixNode<T>): void {
  const child = node.children[0];
  if (node.value !== null || node.parent === null || node.children.length !== 1 || child === undefined) return;
  const { parent } = node;
  child.label = node.label + child.label;
  child.parent = parent;
  parent.children = parent.children.with(indexOfCode(parent.codes, child.label.charCodeAt(0)), child);
}

/**
 * The JSON text of a value with the keys of every object in order, so that equal
 * content gives equal text. Properties that are `undefined` are left out.
 */
export function canonicalJson(value: unknown): string {
  // Sorting a copy and leaving the text to the engine is twice as fast as writing it here.
  return JSON.stringify(inOrder(value)) ?? "null";
}

function inOrder(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(inOrder);
  const fields = value as Readonly<Record<string, unknown>>;
  const ordered: Record<string, unknown> = {};
  for (const key of sorted(Object.keys(fields))) {
    // An assignment to this one name would set the prototype.
    if (key === "__proto__") Object.defineProperty(ordered, key, { value: inOrder(fields[key]), enumerable: true });
    else ordered[key] = inOrder(fields[key]);
  }
  return ordered;
}

/** Of few keys, which most objects have, several times faster than `sort`. */
const FEW = 16;

function sorted(keys: string[]): string[] {
  if (keys.length > FEW) return keys.sort();
  for (let next = 1; next < keys.length; next++) {
    const key = keys[next]!;
    let place = next;
    for (; place > 0 && keys[place - 1]! > key; place--) keys[place] = keys[place - 1]!;
    keys[place] = key;
  }
  return keys;
}

type Fields = Record<string, unknown>;

/**
 * `patch` merged into `target` (RFC 7396): objects deeply, `null` removes, everything
 * else replaces. Neither is changed.
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return patch;
  const merged: Fields = isFields(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else assign(merged, name, mergePatch(Object.hasOwn(merged, name) ? merged[name] : undefined, value));
  }
  return merged;
}

/** A patched resource, or why the sub path leads nowhere. */
export type SubPathPatch = { readonly value: Fields } | { readonly error: string };

/** A copy of `target` with `value` at the end of `path`; objects that are missing on the way are made. */
export function patchAt(target: Fields, path: readonly string[], value: unknown): SubPathPatch {
  const patched: Fields = { ...target };
  let holder = patched;
  for (const [index, name] of path.entries()) {
    if (index === path.length - 1) {
      assign(holder, name, value);
      break;
    }
    const inner = Object.hasOwn(holder, name) ? holder[name] : undefined;
    if (Array.isArray(inner) && inner.length > 0) {
      return { error: `invalid sub-path: /${path.join("/")}: elements of a list cannot be addressed` };
    }
    if (inner !== undefined && (typeof inner !== "object" || inner === null)) {
      return { error: `invalid sub-path: /${path.join("/")}: ${name} is no object` };
    }
    const copy: Fields = isFields(inner) ? { ...inner } : {};
    assign(holder, name, copy);
    holder = copy;
  }
  return { value: patched };
}

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** An assignment to `__proto__` would set the prototype. */
function assign(holder: Fields, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, enumerable: true, writable: true, configurable: true });
}

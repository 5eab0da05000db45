/** Whether two lists have the same items in the same order. */
export function sameItems<T extends string | number>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, at) => item === b[at]);
}

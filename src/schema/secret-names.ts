/** Stands where a value could be secret. */
export const MASK = "***";

const secretName =
  /(^|[_-])(keys?|secrets?|passwords?|passwd|pwd|tokens?|credentials?|authorization|cert|certs|apikey)($|[_-])/i;

/** Whether a field of that name could hold something that must not be shown. */
export function isSecretName(name: string): boolean {
  // What answers are kept by is no key to anything.
  return name !== "cache_key" && secretName.test(name);
}

/**
 * Whether a text stands for a value kept elsewhere: `$secret://<manager>/<id>/<key>`
 * or `$env://<variable>`. APISIX takes one in place of every text that a schema
 * asks for, whatever the schema demands of it.
 */
export function isSecretReference(value: unknown): boolean {
  return typeof value === "string" && /^\$(secret|env):\/\//i.test(value);
}

/** The path of the first reference in a value; `null` where there is none. */
export function findSecretReference(value: unknown): readonly (string | number)[] | null {
  if (typeof value === "string") return isSecretReference(value) ? [] : null;
  if (typeof value !== "object" || value === null) return null;
  for (const [name, field] of Object.entries(value)) {
    const path = findSecretReference(field);
    if (path !== null) return [Array.isArray(value) ? Number(name) : name, ...path];
  }
  return null;
}

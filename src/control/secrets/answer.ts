/** What a reference stands for, or why that is not known. Reasons name places, never values. */
export type SecretAnswer =
  | {
      readonly value: string;
      /** Why the last attempt to read it anew failed; the value is the one before. `null` where it is fresh. */
      readonly stale: string | null;
    }
  | { readonly error: string };

/** A field of what a manager or a variable holds, as text; numbers and booleans as JSON writes them. */
export function fieldOf(fields: unknown, key: string, holder: string): SecretAnswer {
  const isObject = typeof fields === "object" && fields !== null && !Array.isArray(fields);
  if (!isObject || !Object.hasOwn(fields, key)) return { error: `${holder} has no field ${key}` };
  const value = (fields as Readonly<Record<string, unknown>>)[key];
  if (typeof value === "string") return { value, stale: null };
  if (typeof value === "number" || typeof value === "boolean") return { value: String(value), stale: null };
  return { error: `field ${key} of ${holder} is not a text` };
}

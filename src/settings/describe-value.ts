import { isMapping, type KeyPath } from "./key-path.ts";

/** Names of keys whose values are never shown. */
const secretName = /passw|secret|token|keyring|salt|credential|authorization|(^|_)key$/i;

/** The value as a message shows it: in JSON, shortened; secrets masked. */
export function describeValue(value: unknown, path: KeyPath): string {
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (isMapping(value)) return "a mapping";
  if (value === null) return "null";
  const name = path.findLast((part) => typeof part === "string") ?? "";
  if (typeof value !== "boolean" && secretName.test(String(name))) return "***";
  if (typeof value !== "string") return String(value);
  // Addresses may carry a user and a password.
  const shown = value.replace(/\/\/[^/@\s]+@/g, "//***@");
  return JSON.stringify(shown.length > 80 ? `${shown.slice(0, 77)}...` : shown);
}

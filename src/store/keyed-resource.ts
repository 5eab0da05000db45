import { reasonOf } from "../lib/errors.ts";
import type { Kind } from "../schema/kinds.ts";
import { checkResource, type ResourceCheck } from "./check-resource.ts";
import type { Reason } from "./resolve.ts";
import type { Resource } from "./resource.ts";

/** Checks one resource of a keyed source; `text` is what is stored under its key. */
export function checkKeyed(kind: Kind, id: string, text: string, check: ResourceCheck): Resource | Reason {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { error: `the stored value is no JSON: ${reasonOf(error)}`, field: "" };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { error: "the stored value is no JSON object", field: "" };
  }
  // The key says who it is, whatever stands inside.
  const resource = value as Record<string, unknown>;
  if (kind === "plugin_metadata" || kind === "secrets") resource.id = id;
  else if (kind !== "consumers" && kind !== "credentials") resource.id = id;
  return checkResource(kind, id, resource, check);
}

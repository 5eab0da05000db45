/** HTTP methods that routes and health checks may name. */
export const methods = [
  "GET",
  "POST",
  "PUT",
  "DELETE",
  "PATCH",
  "HEAD",
  "OPTIONS",
  "CONNECT",
  "TRACE",
  "PURGE",
] as const;

/** An HTTP method that configurations know. */
export type Method = (typeof methods)[number];

import type { Endpoint } from "./endpoint.ts";

/** `POST /v1/gc` and `PUT /v1/plugins/reload`, for scripts that were written for APISIX. */
export function upkeepEndpoints(): readonly Endpoint[] {
  return [
    // The engine collects when it has to; a full collection by hand would stop the thread for nothing.
    { method: "POST", path: "/v1/gc", answer: () => ({ status: 200, body: "" }) },
    // Plugins are part of this program: there is no code that could have changed on its own.
    { method: "PUT", path: "/v1/plugins/reload", answer: () => ({ status: 200, body: "done" }) },
  ];
}

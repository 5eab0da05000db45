import type { Endpoint } from "./endpoint.ts";

/** `PUT /v1/plugins/reload`, and `POST /v1/gc` for scripts that were written for APISIX. */
export function upkeepEndpoints(reloadPlugins: () => Promise<void>): readonly Endpoint[] {
  return [
    // The engine collects when it has to; a full collection by hand would stop the thread for nothing.
    { method: "POST", path: "/v1/gc", answer: () => ({ status: 200, body: "" }) },
    {
      method: "PUT",
      path: "/v1/plugins/reload",
      async answer() {
        await reloadPlugins();
        return { status: 200, body: "done" };
      },
    },
  ];
}

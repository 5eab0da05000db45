import type { Endpoint } from "./endpoint.ts";

/** `POST /v1/drain`, `POST /v1/undrain`: takes the node out of service and back, by what its readiness says. */
export function drainEndpoints(drain: (on: boolean) => void): readonly Endpoint[] {
  return [true, false].map((on) => ({
    method: "POST",
    path: on ? "/v1/drain" : "/v1/undrain",
    answer() {
      drain(on);
      return { status: 200, body: { draining: on } };
    },
  }));
}

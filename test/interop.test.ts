import assert from "node:assert/strict";
import { test } from "node:test";
import { times } from "./support/extent.ts";
import { makeBodies } from "./support/interop/bodies.ts";
import { type Client, curl, h2load, nodeFetch, pythonClient, wrk } from "./support/interop/clients.ts";
import { startNginxOrigin, startNodeOrigin, type StartOrigin, startPythonOrigin } from "./support/interop/origins.ts";
import { mix } from "./support/interop/requests.ts";
import { serving, to } from "./support/serving.ts";

// Other people's clients through the gateway to other people's origins: every body arrives
// byte for byte, in both directions, and every answer is the one to its request.

/** For each pair of a client and an origin. */
const REQUESTS = times(10_000, 300);

const origins: Readonly<Record<string, StartOrigin>> = {
  nginx: startNginxOrigin,
  "node:http": startNodeOrigin,
  "Python http.server": startPythonOrigin,
};
const clients: Readonly<Record<string, Client>> = {
  curl,
  wrk,
  "h2load --h1": h2load,
  "Node fetch": nodeFetch,
  "Python http.client": pythonClient,
};

for (const [origin, start] of Object.entries(origins)) {
  test(`${origin} as the origin`, async (t) => {
    const bodies = makeBodies(t);
    const { node, storing, wrongUploads } = await start(t, bodies);
    const { httpPort } = await serving(t, { routes: [to({ [node]: 1 })] });
    const requests = mix(REQUESTS, bodies, storing);
    for (const [name, client] of Object.entries(clients)) {
      await t.test(name, async ({ signal }) => {
        assert.deepEqual(await client(requests, { port: httpPort, bodies, signal }), []);
        assert.deepEqual(wrongUploads(), []);
      });
    }
  });
}

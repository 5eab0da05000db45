import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "./support/client.ts";
import { type Gateway, routeTo, startGateway, type Provider } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";

// Workers get the first load in parts while control is still checking the rest: what comes
// out differently in the end must be served as it came out.

/** More than goes to the workers at once. */
const ROUTES = 2_500;

for (const provider of ["yaml", "json"] satisfies Provider[]) {
  test(`${provider}: of a large first load nothing is served that is rejected in the end`, async (t) => {
    const origin = await startOrigin(t);
    const routes = Array.from({ length: ROUTES }, (_, index) =>
      routeTo(origin.node, `/${index}`, { id: String(index) }),
    );
    // Valid by themselves, and then found to lead nowhere, or to claim what another has.
    routes[7] = { id: "7", uri: "/7", upstream_id: "none" };
    routes[2_400] = { id: "2400", uri: "/2400", service_id: "none" };
    const consumers = ["one", "two"].map((username) => ({ username, plugins: { "key-auth": { key: "same" } } }));
    const gateway = await startGateway(t, { workers: 2, provider, standalone: { routes, consumers } });
    await gateway.until(200);
    await assertStatuses(gateway, { "/0": 200, "/7": 404, "/1999": 200, "/2400": 404, "/2499": 200 });
    const config = (await gateway.status("/status/config")).json() as {
      readonly hash: string;
      readonly rejected: readonly { readonly kind: string; readonly id: string }[];
    };
    const rejected = config.rejected.map(({ kind, id }) => `${kind}/${id}`).sort();
    assert.deepEqual(rejected, ["consumers/two", "routes/2400", "routes/7"]);
    const { workers } = (await gateway.status("/status/workers")).json() as {
      readonly workers: readonly { readonly hash: string }[];
    };
    assert.deepEqual(workers.map(({ hash }) => hash), [config.hash, config.hash]); // prettier-ignore
  });
}

test("of a file that breaks off, nothing is served of what was read before; then all of the whole one", async (t) => {
  const origin = await startOrigin(t);
  const item = (id: string, uri: string): string =>
    `  - {id: "${id}", uri: "${uri}", upstream: {type: roundrobin, nodes: {"${origin.node}": 1}}}\n`;
  const items = Array.from({ length: ROUTES }, (_, index) => item(String(index), `/${index}`));
  const broken = `routes:\n${items.join("")}${item("gone", "/gone")}  - {id: [}\n#END\n`;
  const gateway = await startGateway(t, { workers: 2, standalone: broken });
  await gateway.until("has not received configuration");
  const failed = await gateway.untilConfig((config) => config.last_failure !== null);
  assert.match(JSON.stringify(failed.last_failure), /apisix\.yaml:2503:/);
  items[3] = item("3", "/other");
  gateway.writeStandalone(`routes:\n${items.join("")}#END\n`);
  await gateway.until(200);
  await assertStatuses(gateway, { "/0": 200, "/3": 404, "/other": 200, "/gone": 404 });
  const { workers } = (await gateway.status("/status/workers")).json() as {
    readonly workers: readonly { readonly hash: string }[];
  };
  const { hash } = (await gateway.status("/status/config")).json() as { readonly hash: string };
  assert.deepEqual(
    workers.map((worker) => worker.hash),
    [hash, hash],
  );
});

/** What paths are answered with, over several connections, so that either worker is asked. */
async function assertStatuses({ httpPort }: Gateway, statuses: Readonly<Record<string, number>>): Promise<void> {
  for (const [path, status] of Object.entries(statuses)) {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(httpPort, path)));
    for (const answer of answers) assert.equal(answer.status, status, path);
  }
}

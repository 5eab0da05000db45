import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { kubernetesSettings } from "../../settings/kubernetes-settings.ts";
import { createKubernetes, type Kubernetes } from "./kubernetes.ts";

/** An object as the API server sends it. */
function endpoints(
  name: string,
  ips: readonly string[],
  port: object = { name: "http", port: 80 },
  version = "10",
): object {
  return {
    metadata: { name, namespace: "default", resourceVersion: version },
    subsets: [{ addresses: ips.map((ip) => ({ ip })), notReadyAddresses: [{ ip: "10.9.9.9" }], ports: [port] }],
  };
}

interface StandIn {
  /** What a list answers. */
  items: object[];
  /** `null`: 500 for a list. */
  fails: boolean;
  readonly asked: string[];
  /** Sends an event to the watch that is open, in two pieces. */
  event(type: string, object: object): void;
  /** Resolves once a watch is open. */
  watched(): Promise<void>;
  endWatch(): void;
}

async function cluster(
  t: TestContext,
  more: object = {},
): Promise<{ api: StandIn; k8s: Kubernetes; changes: string[]; logged: string[]; next: () => Promise<string> }> {
  let open: ServerResponse | null = null;
  let waiting: (() => void)[] = [];
  const api: StandIn = {
    items: [],
    fails: false,
    asked: [],
    event(type, object) {
      const line = `${JSON.stringify({ type, object })}\n`;
      open?.write(line.slice(0, 9));
      open?.write(line.slice(9));
    },
    watched: () => new Promise((resolve) => (open === null ? waiting.push(resolve) : resolve())),
    endWatch: () => open?.end(),
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://api");
    api.asked.push(`${request.headers.authorization} ${url.pathname}${url.search}`);
    if (url.searchParams.get("watch") === "true") {
      open = response;
      response.on("close", () => (open = null));
      response.flushHeaders();
      for (const resolve of waiting) resolve();
      waiting = [];
    } else if (api.fails) response.writeHead(500).end();
    else if (url.searchParams.get("continue") === null && api.items.length > 1) {
      response.end(
        JSON.stringify({ items: api.items.slice(0, 1), metadata: { resourceVersion: "5", continue: "more" } }),
      );
    } else {
      const rest = url.searchParams.get("continue") === null ? api.items : api.items.slice(1);
      response.end(JSON.stringify({ items: rest, metadata: { resourceVersion: "5" } }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const env = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(port) };
  const settings = kubernetesSettings({ service: { schema: "http" }, client: { token: "secret" }, ...more }, env);
  const [changes, logged]: string[][] = [[], []];
  let told: ((name: string) => void)[] = [];
  const k8s = createKubernetes({
    settings,
    changed: (name) => {
      changes!.push(name);
      for (const resolve of told) resolve(name);
      told = [];
    },
    log: { warn: (message) => logged!.push(message) },
  });
  t.after(() => {
    k8s.close();
    server.closeAllConnections();
    server.close();
  });
  const next = (): Promise<string> => new Promise((resolve) => told.push(resolve));
  return { api, k8s, changes: changes!, logged: logged!, next };
}

const hosts = async (k8s: Kubernetes, service: string): Promise<string> => {
  const found = await k8s.look(service);
  return "failure" in found
    ? found.failure
    : found.targets.map(({ host, port, weight }) => `${host}:${port}*${weight}`).join(" ");
};

test("endpoints are listed page by page and watched; what is not ready does not count", async (t) => {
  const { api, k8s, next } = await cluster(t, { label_selector: 'app="a"', default_weight: 7 });
  api.items = [endpoints("shop", ["10.0.0.2", "10.0.0.1"]), endpoints("plain", ["10.0.0.3"], { port: 8080 })];
  await api.watched();
  assert.equal(await hosts(k8s, "default/shop:http"), "10.0.0.1:80*7 10.0.0.2:80*7");
  assert.equal(await hosts(k8s, "default/plain:8080"), "10.0.0.3:8080*7");
  assert.match(await hosts(k8s, "default/shop:80"), /no ready endpoint/);
  assert.match(await hosts(k8s, "default/none:http"), /no ready endpoint/);
  assert.match(await hosts(k8s, "shop"), /namespace\/name:port/);
  const changed = next();
  api.event("MODIFIED", endpoints("shop", ["10.0.0.4"], undefined, "11"));
  assert.equal(await changed, "default/shop");
  assert.equal(await hosts(k8s, "default/shop:http"), "10.0.0.4:80*7");
  const deleted = next();
  api.event("DELETED", endpoints("shop", [], undefined, "12"));
  assert.equal(await deleted, "default/shop");
  assert.match(await hosts(k8s, "default/shop:http"), /no ready endpoint/);
  assert.match(api.asked[0] ?? "", /^Bearer secret \/api\/v1\/endpoints\?limit=500&labelSelector=app%3D%22a%22$/);
  assert.match(api.asked.at(-1) ?? "", /watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=1800/);
});

test("a watch that ends goes on from the last version; one that is too old leads to a list", async (t) => {
  const { api, k8s, next, logged } = await cluster(t);
  api.items = [endpoints("shop", ["10.0.0.1"])];
  await api.watched();
  api.event("BOOKMARK", { metadata: { resourceVersion: "40" } });
  const added = next();
  api.event("ADDED", endpoints("other", ["10.0.0.5"], undefined, "41"));
  await added;
  api.endWatch();
  while (!api.asked.some((path) => path.includes("resourceVersion=41")))
    await new Promise((resolve) => setTimeout(resolve, 10));
  await api.watched();
  api.items = [endpoints("shop", ["10.0.0.9"])];
  const changed = next();
  api.event("ERROR", { code: 410 });
  await changed;
  assert.equal(await hosts(k8s, "default/shop:http"), "10.0.0.9:80*50");
  assert.match(logged.join(), /the watch was ended by the server; what is known stays/);
});

test("namespaces; a server that fails says why, and never the token", async (t) => {
  const { api, k8s, logged } = await cluster(t, { namespace_selector: { match: ["^prod-"] } });
  api.items = [endpoints("shop", ["10.0.0.1"])];
  await api.watched();
  assert.match(await hosts(k8s, "default/shop:http"), /no ready endpoint/);
  const failing = await cluster(t);
  failing.api.fails = true;
  const { failure } = (await failing.k8s.look("default/shop:http")) as { failure: string };
  assert.equal(failure, "status 500 of the API server");
  assert.doesNotMatch(logged.concat(failing.logged).join(), /secret/);
});

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { endpoints, slice, startKubernetes, type StandInKubernetes } from "../../../test/support/kubernetes.ts";
import { checkConfig } from "../../settings/check.ts";
import type { KubernetesConfig } from "../../settings/checked-config.ts";
import { kubernetesSettings } from "../../settings/kubernetes-settings.ts";
import { Report } from "../../settings/report.ts";
import { createKubernetes, type Kubernetes } from "./kubernetes.ts";

async function cluster(
  t: TestContext,
  more: object = {},
): Promise<{
  api: StandInKubernetes;
  k8s: Kubernetes;
  changes: string[];
  logged: string[];
  next: () => Promise<string>;
}> {
  const api = await startKubernetes(t);
  const env = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(api.port) };
  const written = { service: { schema: "http" }, client: { token: "secret" }, watch_jitter_seconds: 0, ...more };
  const settings = kubernetesSettings(withDefaults(written), env);
  const [changes, logged]: string[][] = [[], []];
  let told: ((name: string) => void)[] = [];
  const k8s = createKubernetes({
    settings,
    changed: (name) => {
      changes!.push(name);
      for (const resolve of told) resolve(name);
      told = [];
    },
    listed: () => undefined,
    authorities: () => [],
    log: { warn: (message) => logged!.push(message) },
  });
  t.after(() => k8s.close());
  const next = (): Promise<string> => new Promise((resolve) => told.push(resolve));
  return { api, k8s, changes: changes!, logged: logged!, next };
}

/** The cluster as it is in config.yaml, with the defaults of its keys. */
function withDefaults(written: object): KubernetesConfig {
  const report = new Report("config.yaml", () => 0);
  const { value } = checkConfig({ discovery: { kubernetes: written } }, [], { allowPortZero: false }, report);
  assert.deepEqual(report.findings(), []);
  return (value["discovery"] as { kubernetes: KubernetesConfig }).kubernetes;
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
  // An expression counts for the whole name.
  for (const [selector, taken] of [
    [{ match: ["^prod-"] }, false],
    [{ match: ["def", "fault"] }, false],
    [{ match: ["x", "de.*"] }, true],
    [{ not_match: ["def"] }, true],
    [{ not_match: ["default"] }, false],
    [{ equal: "default" }, true],
    [{ not_equal: "default" }, false],
  ] as const) {
    const { api, k8s } = await cluster(t, { namespace_selector: selector });
    api.items = [endpoints("shop", ["10.0.0.1"])];
    await api.watched();
    assert.match(await hosts(k8s, "default/shop:http"), taken ? /^10\.0\.0\.1/ : /no ready/, JSON.stringify(selector));
    const [key] = Object.keys(selector);
    const field = key === "equal" ? "%3D" : "%21%3D";
    assert.equal(
      api.asked.every((path) => path.includes(`fieldSelector=metadata.namespace${field}default`)),
      key === "equal" || key === "not_equal",
    );
  }
  const { logged } = await cluster(t);
  const broken = await cluster(t, { namespace_selector: { match: ["("] } });
  assert.match(await hosts(broken.k8s, "default/shop:http"), /^namespace_selector: /);
  assert.match(broken.logged.join(), /namespace_selector: /);
  const failing = await cluster(t);
  failing.api.fails = true;
  const { failure } = (await failing.k8s.look("default/shop:http")) as { failure: string };
  assert.equal(failure, "status 500 of the API server");
  assert.doesNotMatch(logged.concat(failing.logged).join(), /secret/);
});

test("slices of a service are put together, whatever their number, and follow its label", async (t) => {
  const { api, k8s, next } = await cluster(t, { watch_endpoint_slices: true });
  api.items = [
    slice("shop", "shop-a", ["10.0.0.2", "10.0.0.1"]),
    slice("shop", "shop-b", ["10.0.0.3", "10.0.0.1"]),
    slice("plain", "plain-a", ["10.0.0.4"], { name: "", port: 8080 }),
    { metadata: { name: "nobody's", namespace: "default" }, endpoints: null, ports: null },
  ];
  await api.watched();
  assert.ok(api.asked.every((line) => line.startsWith("Bearer secret /apis/discovery.k8s.io/v1/endpointslices?")));
  assert.equal(await hosts(k8s, "default/shop:http"), "10.0.0.1:80*50 10.0.0.2:80*50 10.0.0.3:80*50");
  assert.equal(await hosts(k8s, "default/plain:8080"), "10.0.0.4:8080*50");
  const event = async (type: string, object: object): Promise<void> => {
    const changed = next();
    api.event(type, object);
    await changed;
  };
  await event("MODIFIED", slice("shop", "shop-a", ["10.0.0.5"], undefined, "11"));
  assert.equal(await hosts(k8s, "default/shop:http"), "10.0.0.1:80*50 10.0.0.3:80*50 10.0.0.5:80*50");
  await event("ADDED", slice("shop", "shop-c", ["fd00::1"], undefined, "12"));
  assert.match(await hosts(k8s, "default/shop:http"), /fd00::1:80/);
  await event("DELETED", slice("shop", "shop-b", [], undefined, "13"));
  await event("MODIFIED", slice("plain", "shop-c", ["10.0.0.6"], { port: 8080 }, "14"));
  assert.equal(await hosts(k8s, "default/shop:http"), "10.0.0.5:80*50");
  assert.equal(await hosts(k8s, "default/plain:8080"), "10.0.0.4:8080*50 10.0.0.6:8080*50");
  await event("DELETED", slice("shop", "shop-a", [], undefined, "15"));
  const gone = await k8s.look("default/shop:http");
  assert.deepEqual(gone, { failure: "default/shop:http has no ready endpoint", gone: true });
});

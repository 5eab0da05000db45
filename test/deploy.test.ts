import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { DockerfileParser } from "dockerfile-ast";
import { validate } from "dockerfile-utils";
import { parse, parseAllDocuments } from "yaml";
import { checkPod, type Pod, settingsOf } from "./support/deploy.ts";
import { readChart, renderChart, renderFiles } from "./support/helm/render.ts";

// The deployment kit, as far as it can be held against the gateway without a cluster or Docker.

const root = fileURLToPath(new URL("..", import.meta.url));
const deploy = join(root, "deploy");
const read = (path: string): string => readFileSync(join(deploy, path), "utf8");

type Mapping = Record<string, unknown>;
interface KubernetesObject extends Mapping {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: Mapping;
  readonly data?: Record<string, string>;
  readonly stringData?: Record<string, string>;
}

const secrets = { ADMIN_KEY: "0123456789abcdef0123456789abcdef", KEYRING: "0123456789abcdef" };

const manifests = (parse(read("kubernetes/kustomization.yaml")) as { resources: string[] }).resources.flatMap((name) =>
  parseAllDocuments(read(`kubernetes/${name}`)).map((document) => document.toJS() as KubernetesObject),
);
const chart = readChart(join(deploy, "helm/turnpike"));
const adminKey = { admin: { credentials: { admin: secrets.ADMIN_KEY } } };

/** Values for every branch of the templates. */
const releases: Readonly<Record<string, Mapping>> = {
  "as it is": { apisix: adminKey },
  "a login and lists": {
    apisix: {
      admin: { credentials: { admin: secrets.ADMIN_KEY, viewer: "fedcba9876543210fedcba9876543210" } },
      dataEncryption: { keyring: [secrets.KEYRING] },
      setIDFromPodUID: true,
      shutdownDelay: 30,
      nginx: { workerProcesses: 3, workerShutdownTimeout: 7, logs: { accessLogFormat: '$host "$request"' } },
      plugins: ["prometheus", "key-auth"],
      stream_plugins: ["ip-restriction"],
      pluginAttrs: { prometheus: { max_series: 100 } },
      discovery: { enabled: true, registry: { dns: { servers: ["10.0.0.10:53"] } } },
      ssl: { fallbackSNI: "a.example.com" },
      trustedAddresses: ["10.0.0.0/8"],
      status: { port: 7086 },
    },
    externalEtcd: { user: "gateway", password: "secret" },
    serviceAccount: { create: true },
    autoscaling: { enabled: true },
    podDisruptionBudget: { minAvailable: 1 },
    global: { imagePullSecrets: ["registry"] },
    priorityClassName: "high",
    timezone: "UTC",
    podAnnotations: { owner: "me" },
    extraEnvVars: [{ name: "A", value: "b" }],
    extraVolumes: [{ name: "more", emptyDir: {} }],
    extraVolumeMounts: [{ name: "more", mountPath: "/more" }],
    extraContainers: [{ name: "other", image: "other:1" }],
    extraInitContainers: [{ name: "first", image: "other:1" }],
  },
  standalone: { apisix: { deployment: { mode: "standalone" } } },
  "resources of an existing ConfigMap": {
    apisix: { deployment: { mode: "standalone", standalone: { existingConfigMap: "resources" } } },
    service: { type: "ClusterIP" },
  },
  pushes: { apisix: { ...adminKey, deployment: { role_traditional: { config_provider: "yaml" } } } },
  "a control plane": {
    apisix: { admin: { credentials: { secretName: "keys" } }, deployment: { role: "control_plane" } },
    externalEtcd: { user: "gateway", existingSecret: "etcd" },
    podDisruptionBudget: { enabled: false },
  },
  "a data plane": {
    apisix: { deployment: { role: "data_plane" } },
    resources: { requests: null },
    updateStrategy: { rollingUpdate: null },
  },
};

const rendered = Object.entries(releases).map(
  ([name, values]) => [name, renderChart(chart, values) as KubernetesObject[]] as const,
);

test("every YAML file can be read, without a key that stands twice", () => {
  const files = readdirSync(deploy, { recursive: true }).map(String);
  const yaml = files.filter((name) => /\.ya?ml$/.test(name) && !name.includes("templates/"));
  assert.ok(yaml.length > 8);
  for (const name of yaml) {
    for (const { errors } of parseAllDocuments(read(name), { merge: true })) assert.deepEqual(errors, [], name);
  }
});

test("the manifests mean what the gateway in them does", (t) => {
  const { data } = found(manifests, "ConfigMap");
  const pod = podOf(manifests);
  const settings = settingsOf(t, data ?? {}, valuesFor(pod, secrets), { command: true });
  checkPod(pod, settings);
  assert.equal(settings.dataEncryption.keyring.length, 1);
  checkServices(manifests, pod);
  const patch = parse(read("kubernetes/tcp-migrate-req.yaml")) as KubernetesObject;
  assert.deepEqual(patch.metadata, { name: found(manifests, "Deployment").metadata.name });
});

test("the chart makes objects that mean what the gateway in them does", (t) => {
  for (const [name, objects] of rendered) {
    const pod = podOf(objects);
    const files = Object.assign({}, ...objects.filter(({ kind }) => kind === "ConfigMap").map(({ data }) => data));
    if (name.startsWith("resources of")) files["apisix.yaml"] = "routes: []\n#END\n";
    const env = { ...secrets, VIEWER_KEY: "fedcba9876543210", ETCD_PASSWORD: "secret", POD_UID: "a-b-c" };
    const settings = settingsOf(t, files, valuesFor(pod, env), { command: name === "standalone" });
    checkPod(pod, settings);
    checkServices(objects, pod);
    const services = objects.filter(({ kind }) => kind === "Service").map(({ metadata }) => metadata.name);
    assert.equal(services.includes("gate-turnpike-admin"), settings.admin !== null, name);
    assert.equal(services.includes("gate-turnpike-gateway"), settings.http.listen.length > 0, name);
  }
  assert.throws(() => renderChart(chart), /credentials.admin .* required/);
});

test("a whole config.yaml goes through the chart unchanged", () => {
  const config = { deployment: { role: "data_plane" }, apisix: { node_listen: [1, { port: 2 }] } };
  const values = { apisix: { ...adminKey, fullCustomConfig: { enabled: true, config } } };
  const { data } = found(renderChart(chart, values) as KubernetesObject[], "ConfigMap");
  assert.deepEqual(parse(data?.["config.yaml"] ?? ""), config);
  assert.match(renderFiles(chart, values).get("NOTES.txt") ?? "", /deployment\/gate-turnpike\n/);
});

test("values of the chart are used, and those that are used are there", () => {
  const templates = readdirSync(join(deploy, "helm/turnpike/templates")).map((name) =>
    read(`helm/turnpike/templates/${name}`),
  );
  const used = new Set(
    templates.flatMap((text) => Array.from(text.matchAll(/\.Values\.([\w.]+)/g), ([, path]) => path)),
  );
  for (const path of used) {
    const value = path?.split(".").reduce<unknown>((at, key) => (at as Mapping | undefined)?.[key], chart.values);
    assert.notEqual(value, undefined, `.Values.${path} is not in values.yaml`);
  }
  const isUsed = (path: string): boolean =>
    path.split(".").some((_, at, all) => used.has(all.slice(0, at + 1).join(".")));
  for (const path of leavesOf(chart.values)) assert.ok(isUsed(path), `${path} of values.yaml is not used`);
});

test("objects have the fields that Kubernetes knows, and with the right types", (t) => {
  const modules = new Set<string>();
  const all = [...manifests, ...rendered.flatMap(([, objects]) => objects)];
  const lines = all.map((object, at) => {
    const module = object.apiVersion.includes("/") ? object.apiVersion : `core/${object.apiVersion}`;
    modules.add(module);
    return `export const o${at}: ${aliasOf(module)}.${object.kind} = ${JSON.stringify(object, null, 1)};`;
  });
  const imports = [...modules].map(
    (module) => `import type * as ${aliasOf(module)} from "kubernetes-types/${module}";`,
  );
  // Below the checkout, so that the package is found.
  const directory = mkdtempSync(join(root, "node_modules/.turnpike-deploy-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "objects.ts");
  const options = ["--noEmit", "--strict", "--module", "preserve", "--types", "", "--ignoreConfig"];
  const patch = parse(read("kubernetes/tcp-migrate-req.yaml")) as { spec: { template: { spec: Mapping } } };
  const patched = JSON.stringify({ containers: [], ...patch.spec.template.spec });
  lines.push(`export const patched: core_v1.PodSpec = ${patched};`);
  // A field that nobody knows is found: it would not be here without an error.
  const wrong = "// @ts-expect-error\nexport const wrong: core_v1.Container = { name: 'a', liveProbe: {} };";
  writeFileSync(file, [...imports, ...lines, wrong].join("\n"));
  const { stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), [...options, file], { encoding: "utf8" });
  assert.equal(stdout, "");
});

test("the image: two stages, not root, the gateway as process 1, asked for its health", () => {
  const text = read("docker/Dockerfile");
  const problems = validate(text);
  assert.deepEqual(problems, []);
  const dockerfile = DockerfileParser.parse(text);
  const [build, ...rest] = dockerfile.getFROMs();
  assert.equal(build?.getBuildStage(), "build");
  assert.equal(rest.length, 1);
  const last = dockerfile
    .getInstructions()
    .filter((one) => one.getRange().start.line > (rest[0]?.getRange().start.line ?? 0));
  const argumentsOf = (keyword: string): string[] =>
    last.filter((one) => one.getKeyword() === keyword).map((one) => one.getArgumentsContent() ?? "");
  for (const keyword of ["ENTRYPOINT", "CMD"]) assert.ok(Array.isArray(JSON.parse(argumentsOf(keyword)[0] ?? "")));
  assert.match(argumentsOf("HEALTHCHECK")[0] ?? "", /CMD \[".*\/bin\/turnpike", "status"\]$/);
  // What runs as root comes before USER only.
  const user = last.findIndex((one) => one.getKeyword() === "USER");
  assert.ok(last.findIndex((one) => one.getKeyword() === "ENTRYPOINT") > user && user > 0);

  // The manifests mount and run what the image has.
  const [uid = ""] = (argumentsOf("USER")[0] ?? "").split(":");
  const pod = podOf(manifests);
  assert.equal(String(pod.spec.securityContext.runAsUser), uid);
  const prefix = argumentsOf("WORKDIR").at(-1) ?? "";
  const mounts = pod.spec.containers[0].volumeMounts;
  const writable = mounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath);
  assert.deepEqual(writable, JSON.parse(argumentsOf("VOLUME")[0] ?? ""));
  assert.deepEqual(
    mounts.map(({ mountPath }) => mountPath).toSorted(),
    ["conf", "data", "logs"].map((name) => `${prefix}/${name}`),
  );
});

test("the image is built from what it needs", () => {
  const lines = readFileSync(join(root, ".dockerignore"), "utf8").split("\n");
  assert.ok(lines.includes("*"));
  const files = lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  for (const file of files) assert.ok(existsSync(join(root, file)), file);
  // What is started in the image, and what npm needs.
  for (const needed of ["bin", "src", "scripts/compile-once.mjs", "package.json", "package-lock.json"]) {
    assert.ok(files.includes(needed), needed);
  }
});

test("the compose file: two nodes that share an etcd and stop in time", (t) => {
  const compose = parse(read("docker/compose.yaml"), { merge: true }) as { services: Record<string, Service> };
  const { etcd, ...nodes } = compose.services;
  assert.equal(Object.keys(nodes).length, 2);
  assert.ok(etcd?.healthcheck !== undefined);
  const settings = settingsOf(t, { "config.yaml": read("docker/conf/config.yaml") }, secrets, { command: true });
  assert.ok(settings.source.kind === "etcd" && settings.status !== null && settings.admin !== null);
  const dockerfile = read("docker/Dockerfile");
  const published = new Set<string>();
  for (const node of Object.values(nodes)) {
    assert.deepEqual(Object.keys(node.environment ?? {}), Object.keys(secrets));
    const grace = Number.parseInt(node.stop_grace_period ?? "", 10) * 1000;
    assert.ok(grace > settings.shutdown.delayMs + settings.shutdown.timeoutMs);
    assert.equal(node.read_only, true);
    const mounted = [...(node.volumes ?? []), ...(node.tmpfs ?? [])].map((mount) =>
      mount.split(":").find((part) => part.startsWith("/")),
    );
    for (const place of JSON.parse(/^VOLUME (.*)$/m.exec(dockerfile)?.[1] ?? "") as string[]) {
      assert.ok(mounted.includes(place), place);
    }
    for (const port of node.ports ?? []) published.add(port.slice(port.lastIndexOf(":") + 1));
    // Only traffic is for others than this host.
    assert.deepEqual(node.ports?.filter((port) => !port.startsWith("127.0.0.1:")).length, 1);
  }
  const listening = [settings.http.listen[0]?.port, settings.admin.listen.port, settings.status.port].map(String);
  assert.deepEqual([...published].toSorted(), listening.toSorted());
});

interface Service {
  readonly healthcheck?: object;
  readonly environment?: Record<string, string>;
  readonly stop_grace_period?: string;
  readonly read_only?: boolean;
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly ports?: readonly string[];
}

function found(objects: readonly KubernetesObject[], kind: string): KubernetesObject {
  const object = objects.find((one) => one.kind === kind);
  assert.ok(object !== undefined, `no ${kind}`);
  return object;
}

function podOf(objects: readonly KubernetesObject[]): Pod {
  return found(objects, "Deployment").spec?.["template"] as Pod;
}

/** The environment of the gateway's container, as far as it concerns config.yaml. */
function valuesFor(pod: Pod, values: Readonly<Record<string, string>>): Record<string, string> {
  const names = (pod.spec.containers[0].env ?? []).map(({ name }) => name);
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)));
}

/** Services and budgets select the pods, and lead to ports that these have. */
function checkServices(objects: readonly KubernetesObject[], pod: Pod): void {
  const labels = (pod.metadata as unknown as { labels: Record<string, string> }).labels;
  const ports = pod.spec.containers[0].ports.map(({ name }) => name);
  for (const { kind, metadata, spec } of objects) {
    if (!["Service", "PodDisruptionBudget", "Deployment"].includes(kind)) continue;
    const selector = spec?.["selector"] as Record<string, unknown>;
    const wanted = (kind === "Service" ? selector : selector["matchLabels"]) as Record<string, string>;
    for (const [name, value] of Object.entries(wanted)) assert.equal(labels[name], value);
    if (kind !== "Service") continue;
    for (const { targetPort } of (spec?.["ports"] ?? []) as { targetPort: string }[])
      assert.ok(ports.includes(targetPort));
    const unready = metadata.name.endsWith("-admin");
    assert.equal(spec?.["publishNotReadyAddresses"] ?? false, unready, metadata.name);
  }
}

const aliasOf = (module: string): string => module.replaceAll(/\W/g, "_");

function leavesOf(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value) || Object.keys(value).length === 0)
    return [path];
  return Object.entries(value).flatMap(([key, child]) => leavesOf(child, path === "" ? key : `${path}.${key}`));
}

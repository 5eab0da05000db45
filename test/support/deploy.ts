import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { loadSettings } from "../../src/settings/load.ts";
import type { Settings } from "../../src/settings/settings.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The parts of a container in a pod that say something about the gateway. */
export interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly lifecycle?: { readonly preStop?: { readonly exec: { readonly command: readonly string[] } } };
  readonly resources: { readonly requests?: { readonly cpu?: string } };
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly securityContext: { readonly readOnlyRootFilesystem?: boolean; readonly capabilities?: object };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

export interface Pod {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly terminationGracePeriodSeconds: number;
    readonly securityContext: { readonly runAsUser: number; readonly runAsNonRoot: boolean };
    readonly containers: readonly [Container];
  };
}

/**
 * The settings that these files of a conf/ directory give, without a mistake or a warning; with
 * `command`, `turnpike test` itself must say so too, standalone file included.
 */
export function settingsOf(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>>,
  { command }: { readonly command: boolean },
): Settings {
  const prefix = mkdtempSync(join(tmpdir(), "turnpike-deploy-"));
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  mkdirSync(join(prefix, "conf"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(prefix, "conf", name), text);
  if (command) {
    // With the environment of the container and nothing else.
    execFileSync(join(root, "bin/turnpike"), ["test", "-p", prefix], { env: { PATH: process.env["PATH"], ...env } });
  }
  const { settings, findings } = loadSettings({ prefix, env });
  assert.deepEqual(findings, []);
  assert.ok(settings !== null);
  return settings;
}

/** Holds a pod against the settings of the gateway in it: what one says the other must mean. */
export function checkPod(pod: Pod, settings: Settings): void {
  const { containers, terminationGracePeriodSeconds: grace, securityContext } = pod.spec;
  const [container] = containers;
  const { status, shutdown, admin, prometheus, http } = settings;
  assert.ok(status !== null);
  const portOf = (name: string): number | undefined =>
    container.ports.find((port) => port.name === name)?.containerPort;

  // Each port leads to a listener that other machines reach.
  const plain = http.listen.filter(({ tls }) => !tls);
  for (const { port } of plain) assert.equal(portOf("http"), port);
  for (const { port } of http.listen.filter(({ tls }) => tls)) assert.equal(portOf("https"), port);
  const operators = { status, admin: admin?.listen, metrics: prometheus?.listen };
  for (const [name, address] of Object.entries(operators)) {
    if (address === undefined || address === null) continue;
    assert.equal(portOf(name), address.port, name);
    assert.doesNotMatch(address.ip, /^(127\.|::1$)/, `${name} listens on loopback`);
  }

  checkProbes(container, status.unresponsiveAfterMs, shutdown.delayMs);
  const [sleep, preStop] = container.lifecycle?.preStop?.exec.command ?? [];
  assert.equal(sleep, "sleep");
  const needed = Number(preStop) + (shutdown.delayMs + shutdown.timeoutMs) / 1000;
  assert.ok(grace > needed, `killed after ${grace} s, while it may take ${needed} s`);

  // Without a request it would be 0, which the gateway refuses.
  const counted = container.env?.some(({ name }) => name === "APISIX_WORKER_PROCESSES") ?? false;
  assert.ok(!counted || container.resources.requests?.cpu !== undefined, "the number of workers is that of no CPU");

  const { annotations } = pod.metadata;
  if (prometheus?.listen != null) {
    assert.equal(annotations["prometheus.io/port"], String(prometheus.listen.port));
    assert.equal(annotations["prometheus.io/path"], prometheus.uri);
  }
  assert.equal(securityContext.runAsNonRoot, true);
  assert.equal(container.securityContext.readOnlyRootFilesystem, true);
  assert.deepEqual(container.securityContext.capabilities, { drop: ["ALL"] });
}

function checkProbes(container: Container, unresponsiveAfterMs: number, delayMs: number): void {
  const { startupProbe: startup, livenessProbe: liveness, readinessProbe: readiness } = container;
  for (const probe of [startup, liveness, readiness]) assert.equal(probe.httpGet.port, "status");
  // What ends a container must not ask for readiness: a node that waits or drains is no dead one.
  for (const probe of [startup, liveness]) assert.equal(probe.httpGet.path, "/status");
  assert.equal(readiness.httpGet.path, "/status/ready");
  const patience = liveness.periodSeconds * (liveness.failureThreshold - 1) * 1000;
  assert.ok(patience >= 2 * unresponsiveAfterMs, "workers have no time to be replaced before the container is");
  const noticed = (readiness.periodSeconds * readiness.failureThreshold + readiness.timeoutSeconds) * 1000;
  assert.ok(noticed < delayMs, `noticed after ${noticed} ms; new connections are taken for ${delayMs} ms`);
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { TestContext } from "node:test";
import { stringify } from "yaml";
import { freePort } from "./ports.ts";

/** The command under test. */
export const turnpike = fileURLToPath(new URL("../../bin/turnpike", import.meta.url));

export interface GatewayOptions {
  readonly workers?: number;
  /** Content of conf/apisix.yaml as an object (`#END` is added) or as text; `null`: no file. */
  readonly standalone?: object | string | null;
  /** More files below the prefix, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Merged over the generated config.yaml, one level below the top. */
  readonly config?: Readonly<Record<string, object>>;
  /** More keys of `apisix.status`. */
  readonly status?: object;
  /** `TURNPIKE_FAULTS`. */
  readonly faults?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** More words after `turnpike start`. */
  readonly args?: readonly string[];
  /** `yaml` unless given. With `embedded`, `api` (whole configurations are pushed) and etcd there is an Admin API. */
  readonly provider?: Provider;
}

/** Where the configuration comes from; `etcd`: what stands under `deployment.etcd`. */
export type Provider = "yaml" | "json" | "embedded" | "api" | { readonly etcd: object; readonly role?: string };

/** Ports of HTTP, the Status API, the Control API and the Admin API. */
export type Ports = readonly [http: number, status: number, control: number, admin?: number];

/** Keys of the Admin API. */
export const adminKey = "edd1c9f034335f136f87ad84b625c8f1";
export const viewerKey = "4054f7cf07e344346cd3f287985e76a2";

/** What a request to one of the gateway's ports got. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: () => Record<string, unknown>;
}

/** Milliseconds between two questions of whoever waits for a state; each costs the gateway some of its start. */
const POLL_MS = 10;
/** Milliseconds after which nothing comes any more, on a machine that is busy with other tests, too. */
const PATIENCE_MS = 90_000;

/** A gateway run as its users run it: the command, a prefix of its own, real ports. */
export class Gateway {
  readonly prefix: string;
  readonly httpPort: number;
  readonly statusPort: number;
  readonly controlPort: number;
  readonly adminPort: number;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  /** The test that it serves; empty where it serves several. */
  readonly #test: string;
  #output = "";

  constructor(prefix: string, ports: Ports, child: ChildProcess, test = "") {
    this.prefix = prefix;
    this.#test = test;
    [this.httpPort, this.statusPort, this.controlPort, this.adminPort = 0] = ports;
    this.child = child;
    this.exited = once(child, "exit").then(([code]) => code as number | null);
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (this.#output += String(chunk)));
  }

  /** Everything printed so far. */
  get output(): string {
    return this.#output;
  }

  get errorLog(): string {
    return readFileSync(join(this.prefix, "logs", "error.log"), "utf8");
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  get statusUrl(): string {
    return `http://127.0.0.1:${this.statusPort}`;
  }

  /** A request to the Status API. */
  async status(path: string, init?: RequestInit): Promise<Answer> {
    return await answerOf(`${this.statusUrl}${path}`, init);
  }

  /** A request through the gateway. */
  async get(path: string, init?: RequestInit): Promise<Answer> {
    return await answerOf(`${this.httpUrl}${path}`, init);
  }

  async control(path: string, init: RequestInit = { method: "POST" }): Promise<Answer> {
    return await answerOf(`http://127.0.0.1:${this.controlPort}${path}`, init);
  }

  /** A request to the Admin API below /apisix/admin; an object as body becomes JSON. */
  async admin(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    return await answerOf(`http://127.0.0.1:${this.adminPort}/apisix/admin${path}`, {
      method,
      headers: { "X-API-KEY": adminKey, ...headers },
      ...(text === undefined ? {} : { body: text }),
    });
  }

  /** Injects a fault (the gateway must have been started with `faults`), once the Control API listens. */
  async fault(worker: number, fault: string): Promise<void> {
    for (;;) {
      const answer = await this.control(`/v1/faults?worker=${worker}&fault=${fault}`).catch(() => null);
      if (answer?.status === 200) return;
      if (answer !== null || this.child.exitCode !== null) throw new Error(answer?.text ?? this.#output);
      await setTimeout(POLL_MS);
    }
  }

  /** Replaces the standalone file in one step. */
  writeStandalone(content: object | string, provider: "yaml" | "json" = "yaml"): void {
    writeStandalone(this.prefix, content, provider);
  }

  /** Changes conf/config.yaml; a reload makes it count. */
  rewriteConfig(change: (text: string) => string): void {
    const file = join(this.prefix, "conf", "config.yaml");
    writeFileSync(file, change(readFileSync(file, "utf8")));
  }

  /** Waits until `/status/ready` answers as told, and returns that answer. */
  async until(expected: number | string, pollMs = POLL_MS): Promise<Answer> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const answer = await this.status("/status/ready").catch(() => null);
      if (answer !== null && (answer.status === expected || answer.text.includes(String(expected)))) return answer;
      if (this.child.exitCode !== null) throw new Error(`the gateway has ended: ${this.#output}`);
      if (Date.now() > deadline) throw new Error(`never ${expected}; last: ${answer?.text}; output: ${this.#output}`);
      await setTimeout(pollMs);
    }
  }

  /** Waits until `/status/config` is as told, and returns it. */
  async untilConfig(holds: (config: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    for (;;) {
      const config = (await this.status("/status/config")).json();
      if (holds(config)) return config;
      await setTimeout(POLL_MS);
    }
  }

  /** The revision that is accepted now. */
  async revision(): Promise<number> {
    return Number((await this.status("/status/config")).json().revision);
  }

  /** Waits on the barrier until every worker has applied the revision; its answer, also where something was rejected. */
  async applied(revision: number): Promise<Answer> {
    const path = `/status/ready?revision=${revision}&timeout=${PATIENCE_MS / 1_000}s`;
    const answer = await this.status(path);
    // A rejection is told at once, before the workers have the rest.
    if (answer.status === 409) await this.status(`${path}&rejected=ignore`);
    return answer;
  }

  /** Ends the gateway and removes its files. */
  async close(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGKILL");
      await this.exited;
    }
    this.#keepLog();
    rmSync(this.prefix, { recursive: true, force: true });
  }

  /** Leaves what it said to the run of all tests (`scripts/test.mjs`), which shows it where the test has failed. */
  #keepLog(): void {
    const directory = process.env.TURNPIKE_TEST_LOGS;
    if (directory === undefined) return;
    let log = this.#output;
    try {
      log += this.errorLog;
    } catch {
      // It has not come as far as to a log.
    }
    const kept = { file: process.argv[1], test: this.#test, log: log.slice(-KEPT_LOG) };
    appendFileSync(join(directory, `${process.pid}.jsonl`), `${JSON.stringify(kept)}\n`);
  }
}

/** Characters of a gateway's log that are kept. */
const KEPT_LOG = 8_000;

async function answerOf(url: string, init: RequestInit = {}): Promise<Answer> {
  const headers = new Headers(init.headers);
  headers.set("Connection", "close");
  const response = await fetch(url, { ...init, headers, redirect: "manual" });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: () => JSON.parse(text) as Record<string, unknown>,
  };
}

/** The files are read as YAML 1.1, so that an unquoted `off` would not stay a text. */
const yaml11 = { version: "1.1" } as const;

/** Writes PREFIX/conf/apisix.yaml or .json, atomically. */
export function writeStandalone(prefix: string, content: object | string, provider: "yaml" | "json" = "yaml"): void {
  const text =
    typeof content === "string"
      ? content
      : provider === "yaml"
        ? `${stringify(content, yaml11)}\n#END\n`
        : JSON.stringify(content);
  const file = join(prefix, "conf", `apisix.${provider}`);
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

/** A prefix with a config.yaml for these ports. */
export function makePrefix(ports: Ports, options: GatewayOptions = {}): string {
  const prefix = mkdtempSync(join(tmpdir(), "turnpike-test-"));
  mkdirSync(join(prefix, "conf"));
  const [http, status, control, admin] = ports;
  const provider = options.provider ?? "yaml";
  const { apisix = {}, nginx_config = {}, plugin_attr = {}, ...rest } = options.config ?? {};
  const config = {
    apisix: {
      node_listen: [{ ip: "127.0.0.1", port: http }],
      // A machine that is busy with other tests may keep a worker from running for longer than the default.
      status: { ip: "127.0.0.1", port: status, unresponsive_after: "60s", ...options.status },
      control: { ip: "127.0.0.1", port: control },
      ssl: { enable: false },
      ...apisix,
    },
    nginx_config: { worker_processes: options.workers ?? 2, error_log_level: "info", ...nginx_config },
    deployment: deploymentOf(provider, admin),
    // Gateways of several tests run at the same time.
    plugin_attr: { prometheus: { enable_export_server: false }, ...plugin_attr },
    ...rest,
  };
  writeFileSync(join(prefix, "conf", "config.yaml"), stringify(config, yaml11));
  for (const [path, text] of Object.entries(options.files ?? {})) {
    mkdirSync(dirname(join(prefix, path)), { recursive: true });
    writeFileSync(join(prefix, path), text);
  }
  const standalone = options.standalone === undefined ? {} : options.standalone;
  if (standalone !== null && (provider === "yaml" || provider === "json")) {
    writeStandalone(prefix, standalone, provider);
  }
  return prefix;
}

/** `deployment` of config.yaml. */
function deploymentOf(provider: Provider, port: number | undefined): object {
  if (provider === "yaml" || provider === "json") {
    return { role: "data_plane", role_data_plane: { config_provider: provider } };
  }
  const keys = [
    { name: "admin", key: adminKey, role: "admin" },
    { name: "viewer", key: viewerKey, role: "viewer" },
  ];
  const admin = { admin_key: keys, admin_listen: { ip: "127.0.0.1", port } };
  if (typeof provider === "object") {
    const role = provider.role ?? "traditional";
    return { role, [`role_${role}`]: { config_provider: "etcd" }, etcd: provider.etcd, admin };
  }
  const name = provider === "api" ? "yaml" : provider;
  return { role: "traditional", role_traditional: { config_provider: name }, admin };
}

/** Starts a gateway; it is ended and its files are removed after the test. Does not wait for readiness. */
export async function startGateway(t: TestContext, options: GatewayOptions = {}): Promise<Gateway> {
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
  const prefix = makePrefix(ports, options);
  const gateway = runIn(prefix, ports, options, t.fullName);
  t.after(() => gateway.close());
  return gateway;
}

/** Starts a gateway in a prefix that is there already; the caller closes it. `test`: the one it serves, if it is one. */
export function runIn(prefix: string, ports: Ports, options: GatewayOptions = {}, test = ""): Gateway {
  const env: NodeJS.ProcessEnv = { ...process.env, ...options.env };
  if (options.faults !== undefined) env.TURNPIKE_FAULTS = options.faults;
  const child = spawn(turnpike, ["start", "-p", prefix, ...(options.args ?? [])], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return new Gateway(prefix, ports, child, test);
}

/** A route to one origin. */
export function routeTo(node: string, uri = "/*", more: object = {}): object {
  return { uri, upstream: { type: "roundrobin", nodes: { [node]: 1 } }, ...more };
}

import type { ChildProcess } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { type Core, launch, type Program } from "./processes.ts";
import { turnpike } from "./tools.ts";
import { wrk } from "./wrk.ts";

/** How a gateway is run for a measurement. */
export interface GatewayOptions {
  /** Default 1. */
  readonly workers?: number;
  readonly core?: Core;
  readonly name?: string;
  /** Content of the standalone file, without YAML's `#END`. */
  readonly standalone: string;
  /** `yaml` unless given; with `embedded` there is an Admin API, and JSON as `standalone` is what the store begins with. */
  readonly provider?: "yaml" | "json" | "embedded";
  /** A port for HTTPS, which is `port` then; sessions are not resumed. */
  readonly tlsPort?: number;
}

/** The key of the Admin API. */
const ADMIN_KEY = "a-key-for-benchmarks";

/** How long a start may take. */
const START_MS = 60_000;

/** Turnpike run as its users run it: the command, a prefix of its own, all its threads. */
export class Gateway implements Program {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  readonly statusPort: number;
  readonly #adminPort: number;
  readonly child: ChildProcess;
  readonly #file: string;
  readonly #end: string;

  /** Writes the prefix and starts the command; does not wait. */
  constructor(prefix: string, ports: readonly [http: number, status: number, admin: number], options: GatewayOptions) {
    const [port, statusPort, adminPort] = ports;
    const { workers = 1, core = null, name = "Turnpike", standalone, provider = "yaml" } = options;
    this.name = name;
    this.port = options.tlsPort ?? port;
    this.statusPort = statusPort;
    this.#adminPort = adminPort;
    this.#file = `${prefix}/conf/apisix.${provider}`;
    this.#end = provider === "yaml" ? "\n#END\n" : "";
    mkdirSync(`${prefix}/conf`, { recursive: true });
    writeFileSync(`${prefix}/conf/config.yaml`, configOf(ports, workers, provider, options.tlsPort));
    const seed = provider === "embedded" && standalone !== "";
    if (seed) writeFileSync(`${prefix}/seed.json`, standalone);
    else if (provider !== "embedded") this.write(standalone);
    this.child = launch(core, [turnpike, "start", "-p", prefix, ...(seed ? ["--seed", `${prefix}/seed.json`] : [])]);
    this.pid = this.child.pid!;
  }

  /** Replaces the standalone file in one step. */
  write(standalone: string): void {
    writeFileSync(`${this.#file}.new`, standalone + this.#end);
    renameSync(`${this.#file}.new`, this.#file);
  }

  /**
   * Waits for the first 200 of `/status/ready`, with one request that is answered then:
   * probes all the time would slow down what is being measured.
   */
  async ready(): Promise<void> {
    const deadline = performance.now() + START_MS;
    const waiting = `/status/ready?revision=1&rejected=ignore&timeout=${START_MS / 1_000}s`;
    for (;;) {
      const first = await probe(this.statusPort, waiting);
      if (first.status === 200 && (await probe(this.statusPort)).status === 200) return;
      if (this.child.exitCode !== null) throw new Error(`Turnpike ended with ${this.child.exitCode}`);
      if (performance.now() > deadline) throw new Error("Turnpike did not become ready");
      await setTimeout(2);
    }
  }

  /** Writes through the Admin API; the revision that it was answered with. */
  async admin(path: string, body: object): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#adminPort}/apisix/admin/${path}`, {
      method: "PUT",
      headers: { "X-API-KEY": ADMIN_KEY },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return Number(response.headers.get("x-turnpike-revision"));
  }

  /**
   * Changes one of the first `routes` routes after the other for some seconds; changes a second.
   * With another `port` the same requests go there, to somebody who takes everything.
   */
  async change(routes: number, perSecond: number, seconds: number, port = this.#adminPort): Promise<number> {
    const words = [String(routes), String(perSecond)];
    const headers = { "X-API-KEY": ADMIN_KEY };
    const load = { port, connections: 8, headers, script: "changes.lua", words };
    return (await wrk(load, seconds)).perSecond;
  }

  /** The revision that was accepted last. */
  async revision(): Promise<number> {
    return Number((await this.details("/status/config")).revision);
  }

  /** Waits until every worker has applied the revision. */
  async applied(revision: number): Promise<void> {
    await this.details(`/status/ready?revision=${revision}&timeout=60s`);
  }

  /** Asks the Status API for one of its details. */
  async details(path: string): Promise<Readonly<Record<string, unknown>>> {
    const text = await new Promise<string>((resolve, reject) => {
      get({ host: "127.0.0.1", port: this.statusPort, path }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () => {
          if (response.statusCode === 200) resolve(body);
          else reject(new Error(`${path}: ${response.statusCode} ${body}`));
        });
      }).on("error", reject);
    });
    return JSON.parse(text) as Record<string, unknown>;
  }
}

function configOf(
  [port, statusPort, adminPort]: readonly [number, number, number],
  workers: number,
  provider: string,
  tlsPort?: number,
): string {
  const tls = `{listen: [{ip: 127.0.0.1, port: ${tlsPort}}], ssl_session_tickets: false}`;
  return `
apisix:
  node_listen: [{ip: 127.0.0.1, port: ${port}}]
  status: {ip: 127.0.0.1, port: ${statusPort}}
  enable_control: false
  ssl: ${tlsPort === undefined ? "{enable: false}" : tls}
nginx_config:
  worker_processes: ${workers}
  error_log_level: error
  http:
    enable_access_log: false
    keepalive_requests: 100000000
    keepalive_timeout: 300s
    upstream: {keepalive_requests: 100000000}
plugin_attr:
  prometheus: {enable_export_server: false}
deployment:
  role: ${provider === "embedded" ? "traditional" : "data_plane"}
  role_${provider === "embedded" ? "traditional" : "data_plane"}: {config_provider: ${provider}}
  admin:
    admin_listen: {ip: 127.0.0.1, port: ${adminPort}}
    admin_key: [{name: admin, key: ${ADMIN_KEY}, role: admin}]
`;
}

/** One probe on a connection of its own, as a kubelet makes it; status 0 where nothing answers. */
export async function probe(
  port: number,
  path = "/status/ready",
): Promise<{ readonly status: number; readonly ms: number }> {
  const startedAt = performance.now();
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => socket.write(`GET ${path} HTTP/1.1\r\nHost: status\r\nConnection: close\r\n\r\n`));
    socket.once("data", (data) => {
      resolve({ status: Number(data.toString("latin1", 9, 12)), ms: performance.now() - startedAt });
      socket.destroy();
    });
    socket.once("error", () => resolve({ status: 0, ms: performance.now() - startedAt }));
  });
}

/** A standalone file with one route for everything. */
export function oneRoute(origin: number, more = ""): string {
  return `routes:\n  - {id: 1, uri: /*, upstream: {type: roundrobin, nodes: {"127.0.0.1:${origin}": 1}}${more}}\n`;
}

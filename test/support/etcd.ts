import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import type { TestContext } from "node:test";
import { freePort } from "./ports.ts";

export interface EtcdOptions {
  /** 1 unless given. */
  readonly members?: number;
  /** Serves clients with TLS; with `ca` only those that show a certificate of it. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  /** More flags of etcd. */
  readonly flags?: readonly string[];
}

/** One member; its data stays from start to start. */
export interface EtcdMember {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  /** Resolves when it answers requests. */
  start(): Promise<void>;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
}

/** A cluster of real etcd on free ports, in a directory of its own. */
export interface Etcd {
  readonly members: readonly EtcdMember[];
  readonly hosts: readonly string[];
  /** Runs etcdctl against the members that run; resolves with what it printed. */
  ctl(...args: string[]): Promise<string>;
  /** Puts a key, as APISIX would; resolves with the revision. */
  put(key: string, value: object | string): Promise<number>;
  remove(key: string): Promise<number>;
  revision(): Promise<number>;
  /** Forgets everything before the newest revision. */
  compact(): Promise<void>;
  /** The member that leads, once there is one. */
  leader(): Promise<EtcdMember>;
  /** Turns logins on, for root and its password. */
  enableAuth(password: string): Promise<void>;
  startAll(): Promise<void>;
  stopAll(): Promise<void>;
}

const run = promisify(execFile);

/** Starts a cluster; it is ended and its files are removed after the test. */
export async function startEtcd(t: TestContext, options: EtcdOptions = {}): Promise<Etcd> {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-etcd-"));
  const names = Array.from({ length: options.members ?? 1 }, (_, index) => `m${index}`);
  const ports = await Promise.all(names.map(async () => [await freePort(), await freePort()] as const));
  const peers = names.map((name, index) => `${name}=http://127.0.0.1:${ports[index]![1]}`).join(",");
  const members = names.map((name, index) => createMember(name, ports[index]!, directory, peers, options));
  const etcd = new EtcdCluster(members, options);
  t.after(async () => {
    await Promise.all(members.map((member) => member.kill()));
    rmSync(directory, { recursive: true, force: true });
  });
  await etcd.startAll();
  return etcd;
}

function createMember(
  name: string,
  [port, peerPort]: readonly [number, number],
  directory: string,
  peers: string,
  { tls, flags = [] }: EtcdOptions,
): EtcdMember {
  const scheme = tls === undefined ? "http" : "https";
  const url = `${scheme}://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const args = [
    `--name=${name}`,
    `--data-dir=${join(directory, name)}`,
    "--log-level=error",
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=${peers}`,
    `--initial-cluster-token=${directory}`,
    "--heartbeat-interval=50",
    "--election-timeout=500",
    "--bcrypt-cost=4",
    ...(tls === undefined ? [] : ["--cert-file", tls.cert, "--key-file", tls.key]),
    ...(tls?.ca === undefined ? [] : ["--client-cert-auth", "--trusted-ca-file", tls.ca]),
    ...flags,
  ];
  let child: ChildProcess | null = null;
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    const ending = child;
    if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, "exit");
    ending.kill("SIGCONT");
    ending.kill(signal);
    await exited;
  };
  return {
    name,
    url,
    port,
    async start() {
      await end("SIGKILL");
      child = spawn("etcd", args, { stdio: "ignore" });
      await once(child, "spawn");
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    pause: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
  };
}

class EtcdCluster implements Etcd {
  readonly members: readonly EtcdMember[];
  readonly #options: EtcdOptions;
  #login: readonly string[] = [];

  constructor(members: readonly EtcdMember[], options: EtcdOptions) {
    this.members = members;
    this.#options = options;
  }

  get hosts(): readonly string[] {
    return this.members.map(({ url }) => url);
  }

  async ctl(...args: string[]): Promise<string> {
    const { tls } = this.#options;
    const trust = tls === undefined ? [] : ["--insecure-skip-tls-verify", "--cert", tls.cert, "--key", tls.key];
    const { stdout } = await run(
      "etcdctl",
      ["--endpoints", this.hosts.join(","), "--command-timeout", "10s", ...trust, ...this.#login, ...args],
      { env: { ...process.env, ETCDCTL_API: "3" }, maxBuffer: 256 * 1024 * 1024 },
    );
    return stdout;
  }

  async put(key: string, value: object | string): Promise<number> {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return revisionIn(await this.ctl("put", "-w", "json", "--", key, text));
  }

  async remove(key: string): Promise<number> {
    return revisionIn(await this.ctl("del", "-w", "json", "--", key));
  }

  async revision(): Promise<number> {
    return revisionIn(await this.ctl("get", "-w", "json", "--", "nothing"));
  }

  async compact(): Promise<void> {
    await this.ctl("compact", String(await this.revision()));
  }

  async leader(): Promise<EtcdMember> {
    for (;;) {
      const text = await this.ctl("endpoint", "status", "-w", "json").catch(() => "[]");
      interface Row {
        readonly Endpoint: string;
        readonly Status: { readonly leader: number; readonly header: { readonly member_id: number } };
      }
      const row = (JSON.parse(text) as Row[]).find(({ Status }) => Status.leader === Status.header.member_id);
      const leader = this.members.find(({ url }) => url === row?.Endpoint);
      if (leader !== undefined) return leader;
      await setTimeout(50);
    }
  }

  async enableAuth(password: string): Promise<void> {
    await this.ctl("user", "add", `root:${password}`);
    await this.ctl("user", "grant-role", "root", "root");
    await this.ctl("auth", "enable");
    this.#login = ["--user", `root:${password}`];
  }

  async startAll(): Promise<void> {
    await Promise.all(this.members.map((member) => member.start()));
    for (let tries = 0; ; tries++) {
      try {
        await this.ctl("get", "nothing");
        return;
      } catch (error) {
        if (tries > 20) throw error;
        await setTimeout(50);
      }
    }
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }
}

function revisionIn(json: string): number {
  return (JSON.parse(json) as { header: { revision: number } }).header.revision;
}

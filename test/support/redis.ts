import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { TestContext } from "node:test";
import { freePort } from "./ports.ts";

/** A real Redis on a free port, which forgets everything when it ends. */
export interface RedisServer {
  readonly port: number;
  readonly password: string;
  /** Resolves when it answers. */
  start(): Promise<void>;
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
}

const PASSWORD = "secret";

/** Starts a Redis with a password; it is ended after the test. */
export async function startRedis(t: TestContext): Promise<RedisServer> {
  return await startServer(t, await freePort(), []);
}

/** A Redis that is a whole cluster. */
export async function startRedisCluster(t: TestContext): Promise<RedisServer> {
  const flags = [
    "--cluster-enabled",
    "yes",
    "--cluster-announce-ip",
    "127.0.0.1",
    "--cluster-port",
    String(await freePort()),
  ];
  const server = await startServer(t, await freePort(), flags);
  await says(server.port, `AUTH ${PASSWORD}\r\nCLUSTER ADDSLOTSRANGE 0 16383\r\n`, /OK[^]*(OK|busy)/);
  await says(server.port, `AUTH ${PASSWORD}\r\nCLUSTER INFO\r\n`, /cluster_state:ok/);
  return server;
}

/** A sentinel with a password that knows the master of that name. */
export async function startSentinel(t: TestContext, name: string, master: RedisServer): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-sentinel-"));
  const file = join(directory, "sentinel.conf");
  const monitor = `sentinel monitor ${name} 127.0.0.1 ${master.port} 1\nsentinel auth-pass ${name} ${PASSWORD}\n`;
  writeFileSync(file, monitor);
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return await startServer(t, await freePort(), ["--sentinel"], [file]);
}

async function startServer(
  t: TestContext,
  port: number,
  more: readonly string[],
  file: readonly string[] = [],
): Promise<RedisServer> {
  const password = PASSWORD;
  const directory = mkdtempSync(join(tmpdir(), "turnpike-redis-"));
  let child: ChildProcess | null = null;
  const server: RedisServer = {
    port,
    password,
    async start() {
      const flags = ["--port", String(port), "--bind", "127.0.0.1", "--requirepass", password];
      child = spawn("redis-server", [...file, ...flags, "--dir", directory, ...more], { stdio: "ignore" });
      const failed = once(child, "error").then(([error]) => Promise.reject(error as Error));
      await Promise.race([says(port, `AUTH ${password}\r\nPING\r\n`, /PONG/), failed]);
    },
    async kill() {
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
    pause: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
  };
  t.after(async () => {
    await server.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  await server.start();
  return server;
}

/** Sends commands until what comes back matches. */
async function says(port: number, commands: string, expected: RegExp): Promise<void> {
  for (;;) {
    const socket = connect({ port, host: "127.0.0.1" });
    let text = "";
    const right = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => socket.write(commands));
      socket.on("data", (data) => {
        text += String(data);
        if (expected.test(text)) resolve(true);
      });
      // Another answer than the one that is waited for: asked again.
      socket.setTimeout(100, () => resolve(false));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (right) return;
    await setTimeout(20);
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
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

/** Starts a Redis with a password; it is ended after the test. */
export async function startRedis(t: TestContext, password = "secret"): Promise<RedisServer> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "turnpike-redis-"));
  let child: ChildProcess | null = null;
  const server: RedisServer = {
    port,
    password,
    async start() {
      const flags = ["--port", String(port), "--bind", "127.0.0.1", "--requirepass", password];
      child = spawn("redis-server", [...flags, "--save", "", "--dir", directory], { stdio: "ignore" });
      const failed = once(child, "error").then(([error]) => Promise.reject(error as Error));
      await Promise.race([answers(port, password), failed]);
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

async function answers(port: number, password: string): Promise<void> {
  for (;;) {
    const socket = connect({ port, host: "127.0.0.1" });
    const text = await new Promise<string>((resolve) => {
      socket.once("connect", () => socket.write(`AUTH ${password}\r\nPING\r\n`));
      socket.on("data", (data) => {
        if (String(data).includes("PONG")) resolve("PONG");
      });
      socket.once("error", () => resolve(""));
      socket.once("close", () => resolve(""));
    });
    socket.destroy();
    if (text === "PONG") return;
    await setTimeout(20);
  }
}

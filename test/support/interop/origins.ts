import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { open } from "../load.ts";
import { startOrigin } from "../origin.ts";
import { freePort } from "../ports.ts";
import { type Bodies, sha256OfFile } from "./bodies.ts";
import { nginxConf } from "./nginx-conf.ts";

/** An origin that answers `/FRAMING/SIZE` with a body of that size and checks what it is sent. */
export interface InteropOrigin {
  readonly node: string;
  /** See `mix`. */
  readonly storing: boolean;
  /** What is wrong with the uploads since the last call, where the answers could not tell. */
  wrongUploads(): string[];
}

/** Starts one; it is ended after the test. */
export type StartOrigin = (t: TestContext, bodies: Bodies) => Promise<InteropOrigin>;

const none = (): string[] => [];

export const startNodeOrigin: StartOrigin = async (t, bodies) => {
  const { node } = await startOrigin(t, "node", (request, response) => void answer(request, response, bodies));
  return { node, storing: false, wrongUploads: none };
};

async function answer(request: IncomingMessage, response: ServerResponse, bodies: Bodies): Promise<void> {
  const url = new URL(request.url ?? "", "http://a");
  const [, framing, size] = url.pathname.split("/");
  const hash = createHash("sha256");
  try {
    for await (const chunk of request) hash.update(chunk as Buffer);
  } catch {
    // The client has gone.
    return;
  }
  const expected = url.searchParams.get("sha256");
  const body = bodies.bytes(Number(size));
  response.statusCode = expected === null || expected === hash.digest("hex") ? 200 : 422;
  response.setHeader("X-Target", request.url ?? "");
  if (framing === "length") response.setHeader("Content-Length", body.length);
  else if (framing === "close") {
    response.setHeader("Connection", "close");
    response.useChunkedEncodingByDefault = false;
    response.removeHeader("Transfer-Encoding");
  }
  if (framing !== "length") response.flushHeaders();
  const half = body.length >> 1;
  response.write(body.subarray(0, half));
  response.end(body.subarray(half));
}

export const startPythonOrigin: StartOrigin = async (t, bodies) => {
  const script = fileURLToPath(new URL("origin.py", import.meta.url));
  const child = spawn("python3", [script, bodies.dir], { stdio: ["ignore", "pipe", "inherit"] });
  endAfter(t, child);
  const [port] = (await once(createInterface(child.stdout), "line")) as [string];
  return { node: `127.0.0.1:${port}`, storing: false, wrongUploads: none };
};

export const startNginxOrigin: StartOrigin = async (t, bodies) => {
  const port = await freePort();
  const dir = join(bodies.dir, "nginx");
  const uploads = join(dir, "up");
  mkdirSync(uploads, { recursive: true });
  const conf = join(dir, "nginx.conf");
  writeFileSync(conf, nginxConf(port, dir, bodies.dir));
  const child = spawn("nginx", ["-p", dir, "-e", join(dir, "error.log"), "-c", conf], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  endAfter(t, child);
  await untilListening(port, child);
  return {
    node: `127.0.0.1:${port}`,
    storing: true,
    wrongUploads: () => {
      const wrong: string[] = [];
      for (const name of readdirSync(uploads)) {
        const size = Number(name.split("-")[1]);
        if (sha256OfFile(join(uploads, name)) !== bodies.hash(size)) wrong.push(`upload ${name}: another body`);
        rmSync(join(uploads, name));
      }
      return wrong;
    },
  };
};

/** Ends a program and waits until it has gone, so that nothing is written any more. */
function endAfter(t: TestContext, child: ChildProcess): void {
  const exited = once(child, "exit");
  t.after(async () => {
    child.kill("SIGTERM");
    await exited;
  });
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    const socket = await open(port);
    socket?.destroy();
    if (socket !== null) return;
    if (child.exitCode !== null) throw new Error("nginx has ended");
    await setTimeout(5);
  }
}

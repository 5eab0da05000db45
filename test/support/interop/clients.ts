import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type Bodies, sha256, sha256OfFile } from "./bodies.ts";
import { judge, type MixedRequest, type Outcome } from "./requests.ts";

/** What every client is told. */
export interface Target {
  readonly port: number;
  readonly bodies: Bodies;
  /** Ends programs when the test is over. */
  readonly signal: AbortSignal;
}

/** Sends every request, and says what is wrong with the answers. */
export type Client = (requests: readonly MixedRequest[], target: Target) => Promise<string[]>;

/** Requests in one run of curl. */
const CURL_BATCH = 100;
const PIECE = 30_000;
/** Requests in one run of h2load: fewer than a connection may carry, as it does not send again what is left over. */
const H2LOAD_BATCH = 400;

/** Node's own, four at a time. */
export const nodeFetch: Client = async (requests, target) => {
  const outcomes: Outcome[] = [];
  const left = requests.values();
  const worker = async (): Promise<void> => {
    for (const request of left) outcomes.push(await fetchOne(request, target));
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  return judgeAll(requests, outcomes, target.bodies);
};

async function fetchOne({ id, method, path, upload }: MixedRequest, { port, bodies }: Target): Promise<Outcome> {
  const init: RequestInit = { method };
  if (upload !== null) {
    const content = bodies.bytes(upload.size);
    init.body = upload.chunked ? inPieces(content) : new Uint8Array(content);
    if (upload.chunked) init.duplex = "half";
  }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return {
    id,
    status: response.status,
    target: response.headers.get("x-target") ?? "",
    length: response.headers.get("content-length") ?? "",
    sha256: sha256(Buffer.from(await response.arrayBuffer())),
  };
}

function inPieces(content: Buffer): ReadableStream {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at < content.length) controller.enqueue(new Uint8Array(content.subarray(at, at + PIECE)));
      else controller.close();
      at += PIECE;
    },
  });
}

/** Python's `http.client`, one connection. */
export const pythonClient: Client = async (requests, { port, bodies, signal }) => {
  const script = fileURLToPath(new URL("client.py", import.meta.url));
  const output = await run("python3", [script, String(port), bodies.dir], signal, JSON.stringify(requests));
  const outcomes = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Outcome);
  return judgeAll(requests, outcomes, bodies);
};

/** curl, a hundred requests in each run of it. */
export const curl: Client = async (requests, { port, bodies, signal }) => {
  const dir = join(bodies.dir, "curl");
  const wrong: string[] = [];
  for (let at = 0; at < requests.length; at += CURL_BATCH) {
    const batch = requests.slice(at, at + CURL_BATCH);
    mkdirSync(dir, { recursive: true });
    const config = batch.map((request) => curlOptions(request, port, bodies, dir)).join("next\n");
    const output = await run("curl", ["--config", "-"], signal, config);
    const outcomes = output
      .trim()
      .split("\n")
      .map((line): Outcome => {
        const [id, status, target = "", length = ""] = line.split("|");
        const body = join(dir, id!);
        return { id: Number(id), status: Number(status), target, length, sha256: sha256OfFile(body) };
      });
    wrong.push(...judgeAll(batch, outcomes, bodies));
    rmSync(dir, { recursive: true });
  }
  return wrong;
};

function curlOptions({ id, method, path, upload }: MixedRequest, port: number, bodies: Bodies, dir: string): string {
  const lines = [
    `url = "http://127.0.0.1:${port}${path}"`,
    `write-out = "${id}|%{http_code}|%header{x-target}|%header{content-length}\\n"`,
    "silent",
    "show-error",
    "max-time = 60",
  ];
  // The head, which curl writes as if it were the body, is of no interest.
  lines.push(method === "HEAD" ? 'head\noutput = "/dev/null"' : `output = "${join(dir, String(id))}"`);
  if (upload !== null) {
    const file = bodies.file(upload.size);
    // curl 7.88 never ends an upload of an empty file in chunks.
    if (method === "PUT" && upload.size > 0) lines.push(`upload-file = "${file}"`);
    else lines.push(`request = "${method}"`, `data-binary = "@${file}"`);
    if (upload.chunked) lines.push('header = "Transfer-Encoding: chunked"');
  }
  return `${lines.join("\n")}\n`;
}

/** wrk with a script that compares every answer, four connections; it cannot do HEAD. */
export const wrk: Client = async (requests, { port, bodies, signal }) => {
  const list = join(bodies.dir, "wrk.txt");
  const lines = requests
    .filter(({ method }) => method !== "HEAD")
    .map(({ method, path, upload, replySize }) => {
      const [size, chunked] = upload === null ? ["-", "no"] : [upload.size, upload.chunked ? "yes" : "no"];
      return `${method} ${path} ${size} ${chunked} ${replySize}\n`;
    });
  writeFileSync(list, lines.join(""));
  const script = fileURLToPath(new URL("client.lua", import.meta.url));
  const options = ["-t1", "-c4", "-d600", "--timeout", "60", "-s", script];
  const output = await run("wrk", [...options, `http://127.0.0.1:${port}`, "--", bodies.dir, list], signal);
  const wrong = output.split("\n").filter((line) => /^wrong|Socket errors/.test(line));
  return output.includes("complete") ? wrong : [...wrong, `not complete: ${output}`];
};

/**
 * h2load over HTTP/1.1: two connections, four requests pipelined on each. It counts and adds up
 * answers; uploads are checked by the origin. GET, and POST with a length above 0, is what it can do.
 */
export const h2load: Client = async (requests, target) => {
  const wrong: string[] = [];
  const gets = requests.filter(({ method }) => method === "GET");
  for (let at = 0; at < gets.length; at += H2LOAD_BATCH) {
    wrong.push(...(await h2loadRun(gets.slice(at, at + H2LOAD_BATCH), target, [])));
  }
  const posts = requests.filter(({ method, upload }) => method === "POST" && upload!.size > 0);
  for (const [size, group] of Map.groupBy(posts, ({ upload }) => upload!.size)) {
    wrong.push(...(await h2loadRun(group, target, ["-d", target.bodies.file(size)])));
  }
  return wrong;
};

async function h2loadRun(
  requests: readonly MixedRequest[],
  { port, bodies, signal }: Target,
  more: readonly string[],
): Promise<string[]> {
  const clients = 2;
  const list = join(bodies.dir, "h2load.txt");
  writeFileSync(list, requests.map(({ path }) => `http://127.0.0.1:${port}${path}\n`).join(""));
  const count = clients * requests.length;
  const options = ["--h1", "-t1", `-c${clients}`, "-m4", `-n${count}`, "-i", list, ...more];
  const output = await run("h2load", options, signal);
  const size = clients * requests.reduce((sum, { replySize }) => sum + replySize, 0);
  const expected = [
    `${count} succeeded, 0 failed, 0 errored, 0 timeout`,
    `status codes: ${count} 2xx,`,
    ` (${size}) data`,
  ];
  return expected.filter((part) => !output.includes(part)).map((part) => `not "${part}": ${output}`);
}

function judgeAll(requests: readonly MixedRequest[], outcomes: readonly Outcome[], bodies: Bodies): string[] {
  const byId = new Map(outcomes.map((outcome) => [outcome.id, outcome]));
  return requests.flatMap((request) => judge(request, byId.get(request.id), bodies) ?? []);
}

/** Runs a program that must succeed; what it prints. */
async function run(program: string, args: readonly string[], signal: AbortSignal, input = ""): Promise<string> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], signal });
  // A program that ends early says why on its error output.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  if (program === "wrk") child.stdout.on("data", (chunk) => String(chunk).includes("complete") && child.kill("SIGINT"));
  const exited = once(child, "close") as Promise<[number | null]>;
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${errors}${output}`);
  return output;
}

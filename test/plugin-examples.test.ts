import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { text as readAll } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { commandOf, type Call, type Example, type NodeGets, type PluginExamples } from "../src/plugins/examples.ts";
import { plugins } from "../src/plugins/index.ts";
import { type Gateway, startGateway } from "./support/gateway.ts";

// The examples of the plugins' pages, run with curl as they are printed, and the
// configurations that the Admin API must refuse. Ports of the pages are replaced by real ones.

/** Plugins whose examples would need a client or a server that is not HTTP, and the test that has them. */
const elsewhere: Readonly<Record<string, string>> = {
  "grpc-web": "src/plugins/grpc-web.test.ts",
  "kafka-logger": "test/kafka-logger.test.ts",
  "ocsp-stapling": "test/tls.test.ts",
  syslog: "test/loggers.test.ts",
  "tcp-logger": "test/loggers.test.ts",
  "udp-logger": "test/loggers.test.ts",
};

/** What reached a node. */
interface Received {
  readonly port: number;
  readonly request: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** What reached the nodes since the last call; some of it comes after the answer to the client. */
class Arrivals {
  all: Received[] = [];
  #waiting: (() => void)[] = [];

  add(one: Received): void {
    this.all.push(one);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** The first one at the port, with that method and target where they are given; waits for it. */
  async at(port: number, request?: string): Promise<Received | undefined> {
    const late = AbortSignal.timeout(60_000);
    for (;;) {
      const found = this.all.find((one) => one.port === port && isAs(request ?? "…", one.request));
      if (found !== undefined || late.aborted) return found;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        late.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  forget(): void {
    this.all = [];
  }
}

const run = promisify(execFile);

/** A node as the pages describe it; `received` gets what arrives. */
async function startNode(t: TestContext, page: number, received: Arrivals): Promise<number> {
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    void readAll(request).then(async (body) => {
      received.add({ port: page, request: `${method} ${url}`, headers, body });
      const [, what = "", value = ""] = url.split("?")[0]!.split("/");
      if (what === "delay") await pause(Number(value) * 1_000);
      response.writeHead(what === "status" ? Number(value) : 200, { "Content-Type": "application/json" });
      // Where an example has it play Elasticsearch it is asked for its version.
      const version = url === "/" ? { version: { number: "8.0.0" } } : {};
      response.end(JSON.stringify({ method, url, headers, data: body, port: page, ...version }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** What runs the examples: the gateway, and how the ports of the pages are to be read. */
interface Stage {
  readonly gateway: Gateway;
  readonly received: Arrivals;
  readonly real: (text: string) => string;
}

async function startStage(t: TestContext): Promise<Stage> {
  const received = new Arrivals();
  const nodes = [await startNode(t, 8080, received), await startNode(t, 8081, received)];
  const gateway = await startGateway(t, {
    workers: 1,
    provider: "embedded",
    config: { plugins: [...plugins.keys()] },
  });
  await gateway.until(200);
  const ports = new Map([
    ["8080", nodes[0]],
    ["8081", nodes[1]],
    ["9080", gateway.httpPort],
  ]);
  const real = (text: string): string =>
    text.replaceAll(/127\.0\.0\.1:(\d+)/g, (whole, port: string) =>
      ports.has(port) ? `127.0.0.1:${ports.get(port)}` : whole,
    );
  return { gateway, received, real };
}

/** Whether a text is as expected, where `…` stands for any text. */
function isAs(expected: string, actual: string): boolean {
  const parts = expected.split("…").map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^]*")}$`).test(actual);
}

/** The last answer that `curl -i` has printed. */
function answerOf(output: string): { status: number; headers: Map<string, string>; body: string } {
  let rest = output;
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    assert.ok(end > 0, output);
    const [first = "", ...lines] = rest.slice(0, end).split("\r\n");
    const status = Number(first.split(" ")[1]);
    const body = rest.slice(end + 4);
    if (status !== 100) {
      const headers = new Map<string, string>();
      for (const line of lines) {
        const colon = line.indexOf(":");
        const name = line.slice(0, colon).toLowerCase();
        const value = line.slice(colon + 1).trim();
        headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value);
      }
      return { status, headers, body };
    }
    rest = body;
  }
}

function checkHeaders(
  expected: Readonly<Record<string, string | null>>,
  actual: (name: string) => string | undefined,
  where: string,
): void {
  for (const [name, value] of Object.entries(expected)) {
    const got = actual(name.toLowerCase());
    if (value === null) assert.equal(got, undefined, `${where}: ${name}`);
    else assert.ok(got !== undefined && isAs(value, got), `${where}: ${name}: ${value}, got ${got}`);
  }
}

async function checkNode(expected: NodeGets | null, { received, real }: Stage, where: string): Promise<void> {
  if (expected === null) return assert.deepEqual(received.all, [], where);
  const port = expected.port ?? 8080;
  const one = await received.at(port, expected.request);
  const got = received.all.map((other) => `${other.port} ${other.request}`);
  assert.ok(one !== undefined, `${where}: ${port} ${expected.request ?? ""}, but ${got.join(", ")}`);
  const header = (name: string): string | undefined => one.headers[name]?.toString();
  const headers = Object.entries(expected.headers ?? {}).map(([name, value]) => [name, value && real(value)]);
  checkHeaders(Object.fromEntries(headers) as Record<string, string | null>, header, where);
  if (expected.body !== undefined) assert.ok(isAs(real(expected.body), one.body), `${where}: ${one.body}`);
}

async function runCall(call: Call, stage: Stage): Promise<void> {
  const { received, real } = stage;
  const command = commandOf(call);
  for (let turn = 1; turn <= (call.times ?? 1); turn++) {
    received.forget();
    const { stdout } = await run("sh", ["-c", real(command).replaceAll("curl ", "curl -sS ")]);
    const where = `${turn}. ${command}\n${stdout}\n`;
    const answer = answerOf(stdout);
    assert.equal(answer.status, call.status, where);
    const headers = Object.entries(call.answerHeaders ?? {}).map(([name, value]) => [name, value && real(value)]);
    checkHeaders(
      Object.fromEntries(headers) as Record<string, string | null>,
      (name) => answer.headers.get(name),
      where,
    );
    if (call.answer !== undefined) assert.ok(isAs(real(call.answer), answer.body), `${where}expected: ${call.answer}`);
    if (call.node !== undefined) await checkNode(call.node, stage, where);
  }
}

async function runExample(example: Example, stage: Stage): Promise<void> {
  const { gateway, real } = stage;
  const paths = Object.keys(example.resources);
  try {
    let revision = "";
    for (const path of paths) {
      const written = await gateway.admin("PUT", `/${path}`, real(JSON.stringify(example.resources[path])));
      assert.equal(written.status, 201, `${path}: ${written.text}`);
      revision = written.headers.get("x-turnpike-revision") ?? "";
    }
    const applied = await gateway.applied(Number(revision));
    assert.equal(applied.status, 200, applied.text);
    for (const call of example.calls) await runCall(call, stage);
  } finally {
    for (const path of paths.toReversed()) await gateway.admin("DELETE", `/${path}?force=true`);
  }
}

async function refuse(name: string, { refused }: PluginExamples, { gateway }: Stage): Promise<void> {
  for (const { on = "routes", conf, field, says } of refused) {
    const plugins = { [name]: conf };
    const [path, body] =
      on === "plugin_metadata"
        ? [`/plugin_metadata/${name}`, conf]
        : on === "consumers"
          ? ["/consumers/wrong", { username: "wrong", plugins }]
          : ["/routes/wrong", { uri: "/wrong", plugins, upstream: { nodes: { "127.0.0.1:1": 1 } } }];
    const answer = await gateway.admin("PUT", path, body);
    if (answer.status !== 400) await gateway.admin("DELETE", path);
    assert.equal(answer.status, 400, `${JSON.stringify(conf)}: ${answer.text}`);
    const message = String(answer.json().error_msg);
    assert.ok(message.includes(says), `${JSON.stringify(conf)}: ${message}`);
    assert.ok(message.includes(field), `the field ${field} is not named: ${message}`);
  }
}

test("every plugin: the examples of its page, and what is refused", async (t) => {
  const stage = await startStage(t);
  for (const name of plugins.keys()) {
    await t.test(name, async () => {
      const other = elsewhere[name];
      if (other !== undefined) {
        assert.ok(existsSync(new URL(`../${other}`, import.meta.url)), `${other} is not there`);
        return;
      }
      const file = new URL(`../src/plugins/${name}.examples.ts`, import.meta.url);
      assert.ok(existsSync(file), `${name} has no examples: src/plugins/${name}.examples.ts`);
      const { examples } = (await import(file.href)) as { readonly examples: PluginExamples };
      for (const example of examples.examples) await runExample(example, stage);
      await refuse(name, examples, stage);
    });
  }
});

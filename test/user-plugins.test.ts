import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ask } from "./support/client.ts";
import { startGateway, type Gateway } from "./support/gateway.ts";
import { startLoad } from "./support/load.ts";
import { startOrigin } from "./support/origin.ts";

// Plugins in TypeScript that are not the gateway's own, through the front door.

const hello = (word: string, more = ""): string => `
import { definePlugin, type RequestContext } from "turnpike/plugin";
import { mark } from "./lib/mark.ts";

export const hello = definePlugin({
  name: "hello",
  priority: 100,
  version: "0.1",
  schema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
  compile(conf) {
    return {
      header_filter(_ctx: RequestContext, head) {
        head.setHeader("X-Hello", \`${word} \${conf.name}\${mark}\`);
      },
    };
  },
});
${more}`;

const failing = `
import { definePlugin, reply, type RequestContext } from "turnpike/plugin";

const fail = (where: string): never => {
  throw new Error(\`boom in \${where}\`);
};
const later = async (where: string): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  fail(where);
};

export const failing = definePlugin({
  name: "failing",
  priority: 99,
  version: "0.1",
  schema: { type: "object" },
  compile() {
    const asks = (ctx: RequestContext, phase: string): boolean => ctx.argument("in") === phase;
    return {
      rewrite: (ctx) => (asks(ctx, "rewrite") ? fail("rewrite") : undefined),
      async access(ctx) {
        if (asks(ctx, "access")) await later("access");
        if (asks(ctx, "nonsense")) return { status: 42 } as never;
        if (asks(ctx, "dropped")) void later("dropped");
        if (asks(ctx, "timer")) setTimeout(() => fail("timer"), 1);
        if (asks(ctx, "string")) void Promise.reject("only text");
        return asks(ctx, "reply") ? reply(200, { made: "here" }) : undefined;
      },
      header_filter(ctx, head) {
        if (asks(ctx, "header_filter")) fail("header_filter");
        if (asks(ctx, "body_filter")) head.streamBody();
      },
      body_filter(ctx, chunk) {
        return asks(ctx, "body_filter") ? fail("body_filter") : chunk;
      },
      async log(ctx) {
        if (asks(ctx, "log")) await later("log");
      },
    };
  },
});
`;

const packaged = `
import { definePlugin, reply } from "turnpike/plugin";
export const packaged = definePlugin({
  name: "packaged", priority: 1, version: "1.0", schema: { type: "object" },
  compile: () => ({ access: () => reply(200, { from: "a package" }) }),
});
`;

const files = {
  "plugins/hello.ts": hello("hello"),
  "plugins/lib/mark.ts": `export const mark: string = "!";\n`,
  "plugins/failing.ts": failing,
  "node_modules/@acme/gate/package.json": `{"name": "@acme/gate", "type": "module", "exports": {"import": "./gate.js"}}`,
  "node_modules/@acme/gate/gate.js": packaged,
};

async function start(t: TestContext): Promise<{ readonly gateway: Gateway; readonly node: string }> {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, {
    provider: "embedded",
    faults: "on",
    files,
    config: {
      apisix: {
        extra_plugins: ["./plugins/hello.ts", "plugins/failing.ts", "@acme/gate", "./plugins/absent.ts"],
        show_revision_in_response_header: true,
      },
    },
  });
  await gateway.until(200);
  return { gateway, node: origin.node };
}

/** Replaces a file in one step. */
function write(gateway: Gateway, path: string, text: string): void {
  const file = join(gateway.prefix, path);
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

async function put(gateway: Gateway, id: string, node: string, plugins: object): Promise<string> {
  const upstream = { type: "roundrobin", nodes: { [node]: 1 } };
  const { status, headers, text } = await gateway.admin("PUT", `/routes/${id}`, { uri: `/${id}`, plugins, upstream });
  if (status < 300) await gateway.applied(Number(headers.get("x-turnpike-revision")));
  return text;
}

/** Waits until every worker answers so. */
async function untilAll(gateway: Gateway, path: string, expected: string): Promise<void> {
  const seen = new Map<string, string>();
  while ([...seen.values()].filter((value) => value === expected).length < 2) {
    const { headers } = await ask(gateway.httpPort, path);
    const worker = /worker=\d+/.exec(String(headers["x-turnpike-revision"]))?.[0] ?? "";
    seen.set(worker, String(headers["x-hello"]));
    await setTimeout(2);
  }
}

interface RejectedRow {
  readonly kind: string;
  readonly id: string;
  readonly error: string;
  readonly serving: string;
}

async function rejected(gateway: Gateway): Promise<readonly RejectedRow[]> {
  return (await gateway.status("/status/config")).json().rejected as RejectedRow[];
}

async function untilRejected(gateway: Gateway, text: RegExp): Promise<RejectedRow> {
  for (;;) {
    const row = (await rejected(gateway)).find(({ error }) => text.test(error));
    if (row !== undefined) return row;
    await setTimeout(5);
  }
}

test("a user's plugin is one like the others, and follows its file", async (t) => {
  const { gateway, node } = await start(t);

  await t.test("what cannot be loaded is said, everything else goes on", async () => {
    const [absent, ...others] = await rejected(gateway);
    assert.deepEqual(others, []);
    assert.deepEqual([absent?.kind, absent?.id, absent?.serving], ["plugins", "./plugins/absent.ts", "nothing"]);
    assert.match(String(absent?.error), /^\.\/plugins\/absent\.ts: .*no such file/);
    // From now on nothing is rejected: the barrier would tell of it.
    write(gateway, "plugins/absent.ts", hello("x").replaceAll('"hello"', '"absent"'));
    while ((await rejected(gateway)).length > 0) await setTimeout(5);
  });

  await t.test("the Admin API lists it, shows its schema and checks configurations of it", async () => {
    const names = (await gateway.admin("GET", "/plugins/list")).text;
    assert.match(names, /"hello".*"packaged"/);
    const schema = (await gateway.admin("GET", "/schema/plugins/hello")).json();
    assert.deepEqual(schema.required, ["name"]);
    assert.match(
      await put(gateway, "hello", node, { hello: { name: 1 } }),
      /plugin hello err: property \\"name\\" validation failed: wrong type/,
    );
    await put(gateway, "hello", node, { hello: { name: "you" } });
    await put(gateway, "package", node, { packaged: {} });
    assert.equal((await gateway.get("/hello")).headers.get("x-hello"), "hello you!");
    assert.equal((await gateway.get("/package")).text, '{"from":"a package"}\n');
  });

  await t.test("an edit is live on every worker, and no connection notices", async () => {
    const load = startLoad(gateway.httpPort, 4, "/hello");
    await load.reached(20);
    write(gateway, "plugins/hello.ts", hello("good day"));
    await untilAll(gateway, "/hello", "good day you!");
    write(gateway, "plugins/lib/mark.ts", `export const mark: string = "?";\n`);
    await untilAll(gateway, "/hello", "good day you?");
    await load.reached(load.answers() + 20);
    const { failed, refused, statuses } = await load.stop();
    assert.deepEqual([failed, refused, Object.keys(statuses)], [[], 0, ["200"]]);
  });

  await t.test("a broken file leaves the last good version, also with a worker that is new", async () => {
    write(gateway, "plugins/hello.ts", hello("broken", "const x: = 3;"));
    const row = await untilRejected(gateway, /Unexpected token/);
    assert.match(row.error, /^plugins\/hello\.ts:18: Unexpected token/);
    assert.deepEqual([row.kind, row.id, row.serving], ["plugins", "./plugins/hello.ts", "previous"]);
    assert.match(gateway.errorLog, /plugins\/hello\.ts:18: Unexpected token/);
    // Control has to hear from a worker what the last good version was.
    await gateway.control("/v1/faults?fault=control-crash");
    while ((await gateway.admin("PUT", "/plugins/reload").catch(() => null))?.status !== 200) await setTimeout(5);
    assert.deepEqual(
      (await rejected(gateway)).map(({ serving }) => serving),
      ["previous"],
    );
    await gateway.fault(0, "crash");
    await gateway.until("report count");
    await gateway.until(200);
    await untilAll(gateway, "/hello", "good day you?");
    write(gateway, "plugins/hello.ts", "export const nothing = 1;\n");
    assert.match((await untilRejected(gateway, /exports nothing/)).error, /hello\.ts: exports nothing, none of them/);
  });

  await t.test("a version that loops over a configuration is refused, and control goes on", async () => {
    write(gateway, "plugins/hello.ts", hello("loops").replace("return {", "for (;;);\n    return {"));
    const { error } = await untilRejected(gateway, /compile has not returned/);
    assert.match(error, /new version that would break routes\/hello: .*compile has not returned after 1 s/);
    await put(gateway, "package", node, { packaged: {}, "request-id": {} });
    assert.notEqual((await gateway.get("/package")).headers.get("x-request-id"), null);
    await untilAll(gateway, "/hello", "good day you?");
  });

  await t.test("a version that what is served would not be valid with is refused", async () => {
    write(gateway, "plugins/hello.ts", hello("strict").replace('required: ["name"]', 'required: ["name", "more"]'));
    const { error } = await untilRejected(gateway, /"more" is required/);
    assert.match(error, /has a new version that would break routes\/hello: .*property "more" is required/);
    await untilAll(gateway, "/hello", "good day you?");
    // Once that is no longer so it is put in force.
    await put(gateway, "hello", node, { hello: { name: "you", more: 1 } });
    await untilAll(gateway, "/hello", "strict you?");
    assert.deepEqual(await rejected(gateway), []);
  });

  await t.test("plugins/reload returns when it is loaded, and the barrier when it is live", async () => {
    write(gateway, "plugins/hello.ts", hello("at last"));
    assert.equal((await gateway.admin("PUT", "/plugins/reload")).text, "done");
    assert.equal((await gateway.applied(await gateway.revision())).status, 200);
    for (let i = 0; i < 8; i++) assert.equal((await gateway.get("/hello")).headers.get("x-hello"), "at last you?");
    assert.deepEqual(await rejected(gateway), []);
  });

  await t.test("an exception is this request's alone, with plugin, route and line in the log", async () => {
    await put(gateway, "failing", node, { failing: {} });
    const status = async (phase: string): Promise<number> => (await gateway.get(`/failing?in=${phase}`)).status;
    for (const phase of ["rewrite", "access", "nonsense", "header_filter", "body_filter"]) {
      assert.equal(await status(phase), 500, phase);
    }
    for (const phase of ["log", "dropped", "timer", "string", "none"]) assert.equal(await status(phase), 200, phase);
    assert.deepEqual((await gateway.get("/failing?in=reply")).json(), { made: "here" });
    const wanted = [
      /plugin failing failed on route failing: \S+plugins\/failing\.ts:5:9: boom in rewrite/,
      /plugin failing failed on route failing: \S+failing\.ts:5:9: boom in access/,
      /plugin failing failed on route failing: .*an answer with the status 42/,
      /plugin failing failed on route failing: \S+failing\.ts:5:9: boom in header_filter/,
      /plugin failing failed on route failing: \S+failing\.ts:5:9: boom in body_filter/,
      /plugin failing of routes\/failing: failed in log on route failing: \S+failing\.ts:5:9: boom in log/,
      /failed outside of any request: \S+failing\.ts:5:9: boom in dropped/,
      /failed outside of any request: \S+failing\.ts:5:9: boom in timer/,
      /failed outside of any request: only text/,
    ];
    while (!wanted.every((line) => line.test(gateway.errorLog))) await setTimeout(5);
    const { workers } = (await gateway.status("/status/workers")).json() as { workers: { restarts: number }[] };
    assert.deepEqual(
      workers.map(({ restarts }) => restarts),
      [1, 0],
    );
  });
});

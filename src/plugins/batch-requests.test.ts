import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { buildRequest } from "../plugin/fake-request.ts";
import type { Reply } from "../plugin/plugin.ts";
import { batchRequests } from "./batch-requests.ts";
import { parseBatch } from "./batch-requests-body.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";

const PATH = "/apisix/batch-requests";

/** Answers a batch that is sent to a gateway on this port. */
async function ask(body: string, port = 0, request: Parameters<typeof buildRequest>[0] = {}, metadata = {}) {
  const handlers = compileChecked(batchRequests, {}, { ...buildEnv(), metadata });
  const ctx = buildRequest({ method: "POST", target: PATH, body, ...request });
  const reply: Reply = await (handlers.publicApis?.get(PATH) ?? assert.fail())(
    Object.assign(Object.create(ctx) as typeof ctx, { serverPort: port }),
  );
  return { status: reply.status, body: JSON.parse(String(reply.body) || "null") as never };
}

async function startGateway(t: TestContext): Promise<number> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      if (request.url === "/silent") return;
      response.writeHead(
        request.method === "POST" ? 201 : 200,
        [
          ["Set-Cookie", "a"],
          ["Set-Cookie", "b"],
        ].flat(),
      );
      response.end(JSON.stringify([request.url, request.headers, Buffer.concat(pieces).toString()]));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

interface ItemAnswer {
  readonly status: number;
  readonly reason: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

test("each request is sent with the client's headers, the batch's and its own", async (t) => {
  const port = await startGateway(t);
  const headers: [string, string][] = [
    ["Host", "h.test"],
    ["X-A", "outer"],
    ["X-B", "outer"],
    ["Content-Type", "application/json"],
    ["X-Real-IP", "6.6.6.6"],
    ["Accept-Encoding", "gzip"],
  ];
  const pipeline = [
    { path: "/one?z=1", query: { b: "3" } },
    { method: "POST", path: "/two", body: "text", headers: { "X-C": "own", "x-real-ip": "7.7.7.7" } },
  ];
  const batch = JSON.stringify({ query: { a: "1 2", b: "2" }, headers: { "X-B": "batch" }, pipeline });
  const { status, body } = await ask(batch, port, { headers, remoteAddr: "10.1.1.1" });
  assert.equal(status, 200);
  const answers = body as readonly ItemAnswer[];
  assert.deepEqual(
    answers.map((one) => [one.status, one.reason, one.headers["Set-Cookie"]]),
    [
      [200, "OK", "a, b"],
      [201, "Created", "a, b"],
    ],
  );
  const [one, two] = answers.map((got) => JSON.parse(got.body) as [string, Record<string, string>, string]);
  assert.deepEqual([one?.[0], one?.[2]], ["/one?z=1&a=1+2&b=3", ""]);
  assert.deepEqual([two?.[0], two?.[2]], ["/two?a=1+2&b=2", "text"]);
  const sent = two?.[1] ?? {};
  assert.deepEqual(
    ["host", "x-a", "x-b", "x-c", "x-real-ip", "content-type", "accept-encoding"].map((name) => sent[name]),
    ["h.test", "outer", "batch", "own", "10.1.1.1", undefined, undefined],
  );
});

test("one that gets no answer in time does not stop the others", async (t) => {
  const port = await startGateway(t);
  const { body } = await ask(JSON.stringify({ timeout: 1_000, pipeline: [{ path: "/silent" }, { path: "/x" }] }), port);
  assert.deepEqual(
    (body as readonly ItemAnswer[]).map(({ status, reason }) => `${status} ${reason}`),
    ["504 upstream timeout", "200 OK"],
  );
});

test("what is no batch is refused", async () => {
  const refused = async (text: string, message: RegExp, status = 400, metadata = {}): Promise<void> => {
    const answer = await ask(text, 0, {}, metadata);
    assert.equal(answer.status, status, text);
    assert.match((answer.body as { readonly error_msg: string }).error_msg, message);
  };
  await refused("", /no request body/);
  await refused("{", /not JSON/);
  await refused("[]", /must be an object/);
  await refused("{}", /"pipeline" is required/);
  await refused('{"pipeline":[]}', /at least 1/);
  await refused(JSON.stringify({ pipeline: [{ path: "/" }], timeout: 0 }), /"timeout"/);
  await refused("x".repeat(11), /larger than 10 bytes/, 413, { max_body_size: 10 });
  for (const item of [
    1,
    {},
    { path: "x" },
    { path: "/a b" },
    { path: "/", method: "CONNECT" },
    { path: "/", body: 1 },
  ]) {
    assert.match(parseBatch(JSON.stringify({ pipeline: [item] })) as string, /pipeline\[0\]/);
  }
  assert.equal((await ask("", 0, { method: "GET" })).status, 404);
});

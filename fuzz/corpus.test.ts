import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { smugglingCases } from "../src/worker/http1/smuggling-cases.ts";
import { Gateway, sendPieces } from "./gateway.ts";
import { type HostileResponse, hostileResponses } from "./hostile-responses.ts";
import { readResponses } from "./llhttp.ts";
import { forwardedBytes, trickyRequests } from "./tricky-requests.ts";

async function start(t: TestContext, enableWebsocket = false): Promise<Gateway> {
  const gateway = await Gateway.start(enableWebsocket);
  t.after(() => gateway.close());
  return gateway;
}

const STATUSES: Record<string, number> = {
  DOWNSTREAM_MALFORMED: 400,
  DOWNSTREAM_NOT_IMPLEMENTED: 501,
  DOWNSTREAM_VERSION: 505,
  body: 400,
};

test("ambiguous requests are refused, the connection ends, and the origin sees nothing of them", async (t) => {
  assert.ok(smugglingCases.length >= 150);
  const gateway = await start(t);
  for (const { name, bytes, code } of smugglingCases) {
    gateway.reset();
    const answer = await gateway.exchange([`${bytes}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`]);
    const { messages, refused } = readResponses(answer, [{ toHead: false }], true);
    assert.deepEqual(
      messages.map(({ status, keepAlive }) => [status, keepAlive]),
      [[STATUSES[code], false]],
      `${name}: ${answer}`,
    );
    assert.equal(refused, null, name);
    assert.deepEqual(gateway.arrived, [], name);
    // A body may be found out when its head has gone; a head never goes before it is read.
    if (code !== "body") assert.equal(gateway.arrivedBytes, "", name);
  }
});

test("what resembles smuggling and is sound arrives as what it is, byte by byte", async (t) => {
  for (const websocket of [false, true]) {
    const gateway = await start(t, websocket);
    for (const { name, bytes, forwarded, statuses } of trickyRequests) {
      gateway.reset();
      const answer = await gateway.exchange([bytes]);
      assert.equal(gateway.arrivedBytes, forwarded.map(forwardedBytes).join(""), name);
      const asked = gateway.arrived.map((request) => ({ toHead: request.method === "HEAD" }));
      const { messages, refused } = readResponses(answer, asked, true);
      assert.equal(refused, null, name);
      assert.deepEqual(
        messages.map(({ status }) => status),
        statuses,
        name,
      );
    }
  }
});

for (const one of hostileResponses) {
  test(`response: ${one.name}`, async (t) => checkResponse(await start(t), one));
}

async function checkResponse(gateway: Gateway, one: HostileResponse): Promise<void> {
  gateway.answerWith((socket, { target }) => {
    if (target === "/probe") socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nprobe", "latin1");
    else void sendPieces(socket, one.bytes === "" ? [] : [one.bytes]).then(() => one.ends === true && socket.end());
  });
  const method = one.toHead === true ? "HEAD" : "GET";
  const answer = await gateway.exchange([`${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`]);
  checkOutcome(one, answer);
  const probe = await gateway.exchange(["GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]);
  assert.match(probe, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nprobe$/);
  assert.equal(gateway.connections, one.reused ? 1 : 2, one.reused ? "not reused" : "reused");
  assert.equal(gateway.arrived.length, 2);
}

function checkOutcome({ outcome, toHead }: HostileResponse, answer: string): void {
  const { messages, refused } = readResponses(answer, [{ toHead: toHead === true }], true);
  const finals = messages.filter(({ status }) => status >= 200);
  if (outcome === "cut") {
    assert.deepEqual(finals, [], answer);
    return;
  }
  assert.equal(refused, null, answer);
  const expected = outcome === 502 ? [502] : [outcome.status];
  assert.deepEqual(
    finals.map(({ status }) => status),
    expected,
    answer,
  );
  if (outcome !== 502) assert.equal(finals[0]!.body, outcome.body);
}

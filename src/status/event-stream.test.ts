import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import { ask, boardOf, startFixture, type Fixture } from "./test-fixture.ts";

/** Opens an event stream and returns how to read its next frame. */
async function open(
  t: TestContext,
  fixture: Fixture,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ response: IncomingMessage; frame(): Promise<string> }> {
  const request = get(fixture.origin + path, { headers: { accept: "text/event-stream", ...headers }, agent: false });
  request.on("error", () => undefined);
  t.after(() => request.destroy());
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.setEncoding("utf8");
  response.on("error", () => undefined);
  let text = "";
  return {
    response,
    async frame() {
      while (!text.includes("\n\n")) text += String((await once(response, "data"))[0]);
      const end = text.indexOf("\n\n");
      const frame = text.slice(0, end);
      text = text.slice(end + 2);
      return frame;
    },
  };
}

/** A fixture whose journal holds the events of `count` reloads alone after its own. */
async function withEvents(t: TestContext, count: number): Promise<{ fixture: Fixture; base: number }> {
  const fixture = await startFixture(t, boardOf(1, 1));
  fixture.watch.refresh();
  await new Promise(setImmediate);
  const base = fixture.journal.lastId;
  for (let i = 1; i <= count; i++) fixture.journal.add({ type: "reload", cause: `reload ${i}` });
  return { fixture, base };
}

test("the journal as JSON, whole or after an id", async (t) => {
  const { fixture, base } = await withEvents(t, 3);
  const { json } = await ask(fixture, `/status/events?after=${base + 1}`);
  assert.equal(json["last_id"], base + 3);
  const events = json["events"] as Record<string, unknown>[];
  assert.deepEqual(
    events.map(({ id, type, cause }) => [id, type, cause]),
    [
      [base + 2, "reload", "reload 2"],
      [base + 3, "reload", "reload 3"],
    ],
  );
  assert.ok(Date.parse(String(events[0]?.["at"])) > 0);
  assert.equal((await ask(fixture, "/status/events?after=x")).status, 400);
  const all = (await ask(fixture, "/status/events")).json["events"] as Record<string, unknown>[];
  const applied = all.find(({ type }) => type === "config-applied");
  assert.deepEqual([applied?.["revision"], applied?.["from_revision"]], [1, 0]);
});

test("a stream begins with what is kept and follows live", async (t) => {
  const { fixture, base } = await withEvents(t, 1);
  const stream = await open(t, fixture, `/status/events?after=${base}`);
  assert.equal(stream.response.headers["content-type"], "text/event-stream");
  assert.equal(stream.response.headers["cache-control"], "no-store");
  assert.equal(await stream.frame(), "retry: 1000");
  assert.match(
    await stream.frame(),
    new RegExp(`^id: ${base + 1}\nevent: reload\ndata: {"id":${base + 1},"at":"[^\n]*"cause":"reload 1"}$`),
  );
  fixture.journal.add({ type: "drain", on: true, cause: "SIGTERM" });
  assert.match(await stream.frame(), new RegExp(`^id: ${base + 2}\nevent: drain\n`));
});

test("a client that comes back with its last id misses nothing", async (t) => {
  const { fixture, base } = await withEvents(t, 5);
  const stream = await open(t, fixture, "/status/events", { "last-event-id": String(base + 4) });
  await stream.frame();
  assert.match(await stream.frame(), new RegExp(`^id: ${base + 5}\n`));
});

test("HEAD of a stream ends at once", async (t) => {
  const { fixture } = await withEvents(t, 1);
  const head = await ask(fixture, "/status/events", { method: "HEAD", headers: { accept: "text/event-stream" } });
  assert.deepEqual([head.status, head.text, head.headers["content-type"]], [200, "", "text/event-stream"]);
});

test("streams are bounded, a client that leaves makes room, and closing ends them", async (t) => {
  const { fixture } = await withEvents(t, 0);
  const streams = await Promise.all(Array.from({ length: 256 }, () => open(t, fixture, "/status/events")));
  const refused = await ask(fixture, "/status/events", { headers: { accept: "text/event-stream" } });
  assert.equal(refused.status, 503);
  assert.equal((await ask(fixture, "/status/ready")).status, 200);
  streams[0]?.response.destroy();
  let status = 503;
  while (status === 503) {
    status = (await ask(fixture, "/status/events", { method: "HEAD", headers: { accept: "text/event-stream" } }))
      .status;
  }
  assert.equal(status, 200);
  const ended = Promise.all(streams.slice(1).map(({ response }) => once(response, "close")));
  for (const { response } of streams) response.resume();
  await fixture.close();
  await ended;
});

test("a client that does not read is cut before it costs memory", async (t) => {
  const { fixture } = await withEvents(t, 0);
  const socket = connect(fixture.port, fixture.ip);
  socket.on("error", () => undefined);
  t.after(() => socket.destroy());
  socket.write("GET /status/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
  await once(socket, "readable");
  // More than the kernel's buffers on both sides hold, so that the rest stays with the server.
  for (let i = 0; i < 400; i++) {
    fixture.journal.add({ type: "config-failed", error: "x".repeat(100_000) });
    await new Promise(setImmediate);
  }
  socket.resume();
  await once(socket, "close");
});

/** What a frame of the stream holds. */
function parse(frame: string): { event: string; data: Record<string, unknown> } {
  const [, event = "", data = ""] = /(?:^|\n)event: (.*)\ndata: (.*)$/.exec(frame) ?? [];
  return { event, data: JSON.parse(data) as Record<string, unknown> };
}

test("with the state: whole first, then what has changed, and events in words", async (t) => {
  const { fixture, base } = await withEvents(t, 1);
  const stream = await open(t, fixture, `/status/events?state&after=${base}`);
  assert.equal(await stream.frame(), "retry: 1000");
  const history = parse(await stream.frame());
  assert.deepEqual([history.event, Object.keys(history.data)], ["history", ["requests_per_second"]]);
  const whole = parse(await stream.frame());
  assert.equal(whole.event, "state");
  const parts = ["at", "node", "readiness", "config", "workers", "upstreams", "fleet"];
  assert.deepEqual(Object.keys(whole.data), parts);
  assert.equal((whole.data["readiness"] as { ready: boolean }).ready, true);
  const event = parse(await stream.frame());
  assert.equal(event.event, "journal");
  assert.deepEqual([event.data["type"], event.data["text"]], ["reload", "Reload: reload 1"]);
  fixture.board.draining = true;
  fixture.board.announce();
  for (;;) {
    const { event, data } = parse(await stream.frame());
    if (event !== "state" || data["readiness"] === undefined) continue;
    assert.equal("config" in data, false, "what has not changed is not sent again");
    const { error, meaning } = data["readiness"] as { error: string; meaning: string };
    assert.equal(error, "draining");
    assert.match(meaning, /still serves/);
    break;
  }
});

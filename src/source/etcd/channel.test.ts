import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { test, type TestContext } from "node:test";
import { Channel } from "./channel.ts";

const limits = { timeoutMs: 10_000, silenceMs: 10_000 };
const grpc = { ":status": 200, "content-type": "application/grpc" };
const noLeader = { "grpc-status": "14", "grpc-message": "etcdserver: no leader" };

/** What a member may do with a call, and what becomes of it. */
const answers: readonly (readonly [name: string, member: (stream: ServerHttp2Stream) => void, fault: object])[] = [
  [
    "headers that are the whole answer",
    (stream) => stream.respond({ ...grpc, ...noLeader }, { endStream: true }),
    { code: 14, sent: true, answered: true, message: "etcdserver: no leader" },
  ],
  [
    "headers, then a status",
    (stream) => answer(stream, Buffer.alloc(0), noLeader),
    { code: 14, sent: true, answered: true, message: "etcdserver: no leader" },
  ],
  [
    "a proxy's own page",
    (stream) => stream.respond({ ":status": 401, "content-type": "text/html" }, { endStream: true }),
    { code: 14, sent: true, answered: false, message: "Received HTTP status code 401" },
  ],
  [
    "no message",
    (stream) => answer(stream, Buffer.alloc(0), { "grpc-status": "0" }),
    { code: 14, sent: true, answered: false },
  ],
  [
    "a message that is too large",
    (stream) => {
      stream.respond(grpc);
      stream.write(Buffer.from([0, 0x10, 0, 0, 0]));
    },
    { code: 8, sent: true, answered: false },
  ],
  ["a stream that is refused", (stream) => stream.close(7), { code: 14, sent: false, answered: false }],
  [
    "a connection that is lost",
    (stream) => stream.session?.destroy(),
    { code: 14, sent: true, answered: false, message: "the connection was closed" },
  ],
];

for (const [name, member, fault] of answers) {
  test(`${name}: the error says what is known of the call`, async (t) => {
    const { channel } = await channelTo(t, member);
    await assert.rejects(channel.unary("/etcd/Call", Buffer.alloc(0), {}, limits), { name: "EtcdError", ...fault });
  });
}

test("a member that begins no answer is given up after the silence; the connection stays", async (t) => {
  let calls = 0;
  const { channel } = await channelTo(t, (stream) => {
    if (calls++ > 0) answer(stream, Buffer.from([0, 0, 0, 0, 1, 7]), { "grpc-status": "0" });
  });
  const short = { timeoutMs: 10_000, silenceMs: 50 };
  await assert.rejects(channel.unary("/etcd/Call", Buffer.alloc(0), {}, short), {
    code: 4,
    message: "no answer in time",
  });
  assert.deepEqual([...(await channel.unary("/etcd/Call", Buffer.alloc(0), {}, limits))], [7]);
});

test("after a GOAWAY the call on the connection ends well, the next one has a new connection", async (t) => {
  const { channel, sessions } = await channelTo(t, (stream) => {
    stream.session?.goaway(0, stream.id);
    answer(stream, Buffer.from([0, 0, 0, 0, 0]), { "grpc-status": "0" });
  });
  for (const count of [1, 2]) {
    assert.equal((await channel.unary("/etcd/Call", Buffer.alloc(0), {}, limits)).length, 0);
    assert.equal(sessions.length, count);
  }
});

test("a member that never speaks: the call was not sent, and closing ends the socket", async (t) => {
  const silent = createTcpServer((socket) => void socket.resume());
  const port = await listen(t, silent);
  for (const scheme of ["http", "https"]) {
    const channel = new Channel(`${scheme}://127.0.0.1:${port}`, null);
    const accepted = once(silent, "connection");
    const call = channel.unary("/etcd/Call", Buffer.alloc(0), {}, limits);
    const failed = assert.rejects(call, { code: 14, sent: false, answered: false });
    const [socket] = await accepted;
    const closed = once(socket, "close");
    channel.close();
    await failed;
    await closed;
  }
});

test("closing ends a stream and tells of it; one that is cancelled tells nothing", async (t) => {
  const { channel } = await channelTo(t, (stream) => stream.respond(grpc));
  const ended: string[] = [];
  const open = async (): Promise<{ cancel(): void }> =>
    await channel.duplex("/etcd/Watch", {}, { message: () => undefined, ended: ({ message }) => ended.push(message) });
  (await open()).cancel();
  await open();
  const left = channel.unary("/etcd/Call", Buffer.alloc(0), {}, limits);
  channel.close();
  await assert.rejects(left, { code: 14 });
  assert.deepEqual(ended, ["the connection was closed"]);
});

function answer(stream: ServerHttp2Stream, body: Buffer, trailers: Readonly<Record<string, string>>): void {
  stream.respond(grpc, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(body);
}

async function channelTo(
  t: TestContext,
  member: (stream: ServerHttp2Stream) => void,
): Promise<{ channel: Channel; sessions: readonly ServerHttp2Session[] }> {
  const sessions: ServerHttp2Session[] = [];
  const server = createServer();
  server.on("session", (session) => sessions.push(session));
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    member(stream as ServerHttp2Stream);
  });
  const channel = new Channel(`http://127.0.0.1:${await listen(t, server)}`, null);
  t.after(() => {
    channel.close();
    for (const session of sessions) session.destroy();
  });
  return { channel, sessions };
}

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

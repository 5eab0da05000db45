import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { destroyAfterWrites, writeTogether } from "./write-together.ts";

/** A pair of connected sockets; the second is ours to write to. */
async function pair(t: TestContext): Promise<readonly [Socket, Socket]> {
  const server = createServer().listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [Socket];
  t.after(() => [peer, socket].forEach((one) => one.destroy()));
  peer.setEncoding("latin1");
  return [peer, socket];
}

async function textOf(peer: Socket, length: number): Promise<string> {
  let text = "";
  while (text.length < length) text += String(((await once(peer, "data")) as [string])[0]);
  return text;
}

test("writes go out at the end of the turn, in their order, with those by other means", async (t) => {
  const [peer, socket] = await pair(t);
  assert.equal(writeTogether(socket, "a"), true);
  socket.write("b");
  writeTogether(socket, "c\u{e9}");
  assert.equal(socket.writableLength > 0, true);
  assert.equal(await textOf(peer, 4), "abc\u{e9}");
  assert.equal(socket.writableCorked, 0);
  writeTogether(socket, "d");
  assert.equal(await textOf(peer, 1), "d");
});

test("many sockets do not wait for the end of the turn", async (t) => {
  const pairs = await Promise.all(Array.from({ length: 40 }, () => pair(t)));
  for (const [, socket] of pairs) writeTogether(socket, "x");
  assert.equal(pairs.filter(([, socket]) => socket.writableCorked === 0).length, 32);
  assert.deepEqual(await Promise.all(pairs.map(([peer]) => textOf(peer, 1))), Array(40).fill("x"));
});

test("what was written before the end arrives, however the end comes", async (t) => {
  for (const end of [(socket: Socket) => socket.end(), destroyAfterWrites]) {
    const [peer, socket] = await pair(t);
    writeTogether(socket, "last");
    end(socket);
    assert.equal(await textOf(peer, 4), "last");
    await once(peer, "end");
  }
});

test("a socket that has gone meanwhile keeps nobody", async (t) => {
  const [, gone] = await pair(t);
  const [peer, socket] = await pair(t);
  writeTogether(gone, "x");
  writeTogether(socket, "y");
  gone.destroy();
  assert.equal(await textOf(peer, 1), "y");
});

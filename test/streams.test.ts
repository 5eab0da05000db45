import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { full, times } from "./support/extent.ts";
import type { Gateway } from "./support/gateway.ts";
import {
  ask,
  deadNode,
  dial,
  echo,
  echoed,
  named,
  readAll,
  readText,
  startTcp,
  startUdp,
  udpClient,
} from "./support/stream-peers.ts";
import { freePort } from "./support/ports.ts";
import { startTcpSink } from "./support/sinks.ts";
import { apply, route, startStreams } from "./support/streams.ts";

// TCP and UDP through a real gateway, with real sockets on both sides.

const MIB = 1_048_576;

test("streams", async (t) => {
  const [one, two] = [await startTcp(t, named("one")), await startTcp(t, named("two"))];
  const plain = await startTcp(t, echo);
  const metrics = await freePort();
  const { gateway, tcp, udp } = await startStreams(
    t,
    { stream_routes: [route("a", [plain.node])] },
    {},
    {
      stream_plugins: ["ip-restriction", "limit-conn", "mqtt-proxy", "syslog", "prometheus"],
      plugin_attr: { prometheus: { export_addr: { ip: "127.0.0.1", port: metrics } } },
    },
  );

  await t.test("bytes come back whole and in order, and memory stays flat", async (t) => {
    const bytes = times(1_024, 64) * MIB;
    const before = memoryOf(gateway);
    assert.ok(await echoed(dial(t, tcp[0]), bytes));
    const grown = memoryOf(gateway) - before;
    if (full) t.diagnostic(`${bytes / MIB} MiB echoed, memory grew by ${Math.round(grown / MIB)} MiB`);
    assert.ok(grown < 256 * MIB, `memory grew by ${grown} bytes`);
  });

  await t.test("either side may end first, and the other goes on", async (t) => {
    const late = await startTcp(t, (socket) => socket.on("end", () => socket.end("after your end")).resume());
    const early = await startTcp(t, (socket) => {
      socket.end("before your end");
      socket.on("data", (chunk: Buffer) => early.server.emit("heard", chunk.toString()));
    });
    await apply(gateway, {
      stream_routes: [
        route("a", [late.node], { server_port: tcp[0] }),
        route("b", [early.node], { server_port: tcp[1] }),
      ],
    });
    const first = dial(t, tcp[0]);
    first.end("all of it");
    assert.equal(await readAll(first), "after your end");
    const second = dial(t, tcp[1]);
    assert.equal(await readAll(second), "before your end");
    const heard = once(early.server, "heard");
    second.end("still talking");
    assert.deepEqual(await heard, ["still talking"]);
  });

  await t.test("a side that breaks off is not taken for one that has ended", async (t) => {
    const cut = await startTcp(t, (socket) => {
      socket.write("half");
      socket.once("data", () => socket.resetAndDestroy());
    });
    const held = await startTcp(t, (socket) => socket.resume());
    await apply(gateway, {
      stream_routes: [
        route("a", [cut.node], { server_port: tcp[0] }),
        route("b", [held.node], { server_port: tcp[1] }),
      ],
    });
    const cutOff = dial(t, tcp[0]);
    assert.equal(await readText(cutOff, 4), "half");
    cutOff.write("more");
    assert.equal(await readAll(cutOff), "[reset]");
    const accepted = once(held.server, "connection");
    const client = dial(t, tcp[1]);
    const [socket] = (await accepted) as [Socket];
    const failed = once(socket, "error");
    client.resetAndDestroy();
    assert.match(String(await failed), /ECONNRESET/);
  });

  await t.test("routes by port, addresses, service and upstream; without one the stream is closed", async (t) => {
    const { node: last } = await startTcp(t, named("svc"));
    const nodes = { nodes: { [last]: 1 } };
    await apply(gateway, {
      upstreams: [{ id: "u", nodes: { [two.node]: 1 } }],
      services: [{ id: "s", upstream: nodes }],
      stream_routes: [
        route("far", [plain.node], { server_port: tcp[0], remote_addr: "10.0.0.0/8" }),
        route("here", [one.node], { server_port: tcp[0], remote_addr: "127.0.0.1", server_addr: "127.0.0.1" }),
        { id: "there", server_port: tcp[0], server_addr: "127.0.0.2", upstream_id: "u" },
        { id: "service", server_port: tcp[0], server_addr: "127.0.0.3", service_id: "s" },
      ],
    });
    assert.equal(await readText(dial(t, tcp[0]), 4), "one\n");
    assert.equal(await readText(dial(t, tcp[0], "127.0.0.2"), 4), "two\n");
    assert.equal(await readText(dial(t, tcp[0], "127.0.0.3"), 4), "svc\n");
    assert.equal(await readAll(dial(t, tcp[0], "127.0.0.4")), "");
    assert.equal(await readAll(dial(t, tcp[1])), "");
  });

  await t.test("a change of a route, a service or an upstream leaves open streams alone", async (t) => {
    const upstream = (node: string): object => ({
      upstreams: [{ id: "u", nodes: { [node]: 1 } }],
      stream_routes: [{ id: "r", upstream_id: "u" }],
    });
    await apply(gateway, upstream(one.node));
    const before = dial(t, tcp[0]);
    assert.equal(await readText(before, 4), "one\n");
    await apply(gateway, upstream(two.node));
    const after = dial(t, tcp[0]);
    assert.equal(await readText(after, 4), "two\n");
    before.write("still one");
    assert.equal(await readText(before, 9), "still one");
    await apply(gateway, { stream_routes: [route("r", [plain.node])] });
    before.write("and again");
    assert.equal(await readText(before, 9), "and again");
    await apply(gateway, {});
    before.end("the end");
    assert.equal(await readText(before, 7), "the end");
  });

  await t.test("a node that is down is passed over for the next, as far as retries go", async (t) => {
    const dead = await deadNode();
    const chash = { type: "chash", key: "remote_addr" };
    await apply(gateway, { stream_routes: [route("r", [dead, one.node])] });
    for (let i = 0; i < 6; i++) assert.equal(await readText(dial(t, tcp[0]), 4), "one\n");
    await apply(gateway, { stream_routes: [route("r", [dead, await deadNode()], {}, chash)] });
    assert.equal(await readAll(dial(t, tcp[0])), "");
    await apply(gateway, { stream_routes: [route("r", [dead, one.node], {}, { retries: 0 })] });
    const answers = new Set<string>();
    for (let i = 0; i < 8; i++) answers.add(await readText(dial(t, tcp[0]), 4));
    assert.deepEqual([...answers].sort(), ["", "one\n"]);
    assert.match(gateway.errorLog, /upstream failed: stream_routes\/r: 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
  });

  await t.test("health is shared with requests: failures in a row take a node out", async (t) => {
    const dead = await deadNode();
    const checks = {
      active: { type: "tcp", healthy: { interval: 100 }, unhealthy: { interval: 100 } },
      passive: { type: "tcp", unhealthy: { tcp_failures: 1 } },
    };
    await apply(gateway, { stream_routes: [route("h", [dead, one.node], {}, { checks })] });
    for (let i = 0; i < 6; i++) assert.equal(await readText(dial(t, tcp[0]), 4), "one\n");
    assert.match(gateway.errorLog, /health of stream_routes\/h 127\.0\.0\.1:\d+: unhealthy/);
  });

  await t.test("a stream on which nothing moves ends with the read timeout", async (t) => {
    const timeout = { connect: 60, send: 60, read: 1 };
    await apply(gateway, { stream_routes: [route("r", [one.node], {}, { timeout })] });
    const client = dial(t, tcp[0]);
    assert.equal(await readText(client, 4), "one\n");
    assert.match(await readAll(client), /\[reset\]|^$/);
    assert.ok(client.destroyed || client.readableEnded);
  });

  await t.test("ip-restriction and limit-conn work on streams, others are refused by name", async (t) => {
    const restricted = { "ip-restriction": { blacklist: ["127.0.0.9"] } };
    const limited = { "limit-conn": { conn: 1, burst: 0, default_conn_delay: 1, key: "remote_addr" } };
    await apply(gateway, {
      services: [{ id: "s", plugins: restricted, upstream: { nodes: { [one.node]: 1 } } }],
      stream_routes: [
        { id: "a", server_port: tcp[0], service_id: "s", plugins: { "ip-restriction": { whitelist: ["10.0.0.1"] } } },
        { id: "b", server_port: tcp[1], service_id: "s", plugins: limited },
      ],
    });
    assert.equal(await readAll(dial(t, tcp[0])), "");
    const open = dial(t, tcp[1]);
    assert.equal(await readText(open, 4), "one\n");
    assert.equal(await readAll(dial(t, tcp[1])), "");
    open.end();
    await once(open, "close");
    // The place is free once the gateway has seen the end too.
    let again = "";
    while (again === "") again = await readText(dial(t, tcp[1]), 4);
    assert.equal(again, "one\n");

    const revision = await gateway.revision();
    gateway.writeStandalone({
      stream_routes: [
        route("m", [one.node], { plugins: { "mqtt-proxy": { protocol_name: "MQTT", protocol_level: 4 } } }),
      ],
    });
    assert.equal((await gateway.applied(revision + 1)).status, 409);
    const [rejected] = (await gateway.status("/status/config")).json().rejected as { error: string }[];
    assert.match(rejected?.error ?? "", /plugin mqtt-proxy is not available for streams in this version/);
  });

  await t.test("syslog tells of streams that have ended, prometheus counts them", async (t) => {
    const sink = await startTcpSink(t, { whole: false });
    const syslog = { host: "127.0.0.1", port: sink.port, batch_max_size: 1 };
    const named = { prefer_name: true };
    await apply(gateway, {
      services: [{ id: "s", plugins: { prometheus: {} }, upstream: { nodes: { [one.node]: 1 } } }],
      stream_routes: [
        { id: "a", server_port: tcp[0], service_id: "s", plugins: { syslog } },
        route("b", [one.node], {
          name: "by-name",
          server_port: tcp[1],
          plugins: { syslog: { ...syslog, log_format: { p: "$protocol", sent: "$bytes_sent" } }, prometheus: named },
        }),
      ],
    });
    assert.equal(await readText(dial(t, tcp[0]).end(), 4), "one\n");
    const [, text = ""] = /^<46>1 \S+ \S+ apisix \d+ - - (.*)$/.exec(await sink.inbox.next()) ?? [];
    const { stream, upstream, route_id, service_id, server_port } = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual([upstream, route_id, service_id, server_port], [one.node, "a", "s", tcp[0]]);
    assert.deepEqual(stream, { protocol: "TCP", status: 200, bytes_received: 0, bytes_sent: 4 });
    assert.equal(await readText(dial(t, tcp[1]).end(), 4), "one\n");
    assert.match(await sink.inbox.next(), / - - \{"p":"TCP","sent":"4","route_id":"b"\}$/);
    const counted = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
    assert.match(counted, /^apisix_stream_connection_total\{route="a"\} 1$/m);
    assert.match(counted, /^apisix_stream_connection_total\{route="by-name"\} 1$/m);
  });

  await t.test("datagrams: each client gets its own answers, each session stays with its node", async (t) => {
    const [left, right] = [await startUdp(t), await startUdp(t)];
    await apply(gateway, { stream_routes: [route("u", [left.node, right.node], { server_port: udp })] });
    const clients = await Promise.all(Array.from({ length: 20 }, async () => await udpClient(t, udp)));
    const total = times(100_000, 5_000);
    const before = memoryOf(gateway);
    await Promise.all(
      clients.map(async (client, number) => {
        for (let i = 0; i < total / clients.length; i++) {
          const text = `client ${number} datagram ${i}`;
          assert.equal(await ask(client, text), text);
        }
      }),
    );
    if (full) t.diagnostic(`${total} datagrams, memory grew by ${Math.round((memoryOf(gateway) - before) / MIB)} MiB`);
    assert.equal(left.senders.size + right.senders.size, clients.length, "one socket to one node for each client");
    assert.ok(left.senders.size > 0 && right.senders.size > 0);
  });

  await t.test("a client that goes on sending leaves a node that is removed or unhealthy", async (t) => {
    const answers =
      (name: string): (() => Buffer) =>
      () =>
        Buffer.from(name);
    // One of them has a listener for probes below.
    const port = await freePort();
    const [left, right] = [await startUdp(t, answers("left"), port), await startUdp(t, answers("right"))];
    const both = { nodes: { [left.node]: 1, [right.node]: 1 }, type: "chash", key: "remote_addr" };
    const client = await udpClient(t, udp);
    /** Sends until that node answers. */
    const answeredBy = async (name: string): Promise<void> => {
      while ((await ask(client, "x")) !== name) await setTimeout(50);
    };
    await apply(gateway, { stream_routes: [route("u", [left.node])] });
    await answeredBy("left");
    await apply(gateway, { stream_routes: [route("u", [right.node])] });
    await answeredBy("right");
    // The session stays with a node that is still there.
    await apply(gateway, { stream_routes: [{ id: "u", upstream: both }] });
    const sessions = right.senders.size;
    for (const until = performance.now() + 1_500; performance.now() < until; await setTimeout(50)) {
      assert.equal(await ask(client, "x"), "right");
    }
    assert.equal(right.senders.size, sessions);
    const probed = await startTcp(t, echo, port);
    const interval = { interval: 1, successes: 1, tcp_failures: 1 };
    const checks = { active: { type: "tcp", healthy: interval, unhealthy: interval } };
    await apply(gateway, { stream_routes: [{ id: "u", upstream: { ...both, checks } }] });
    await answeredBy("left");
    // Where no node is healthy nothing is gained by going elsewhere.
    for (const socket of probed.sockets) socket.destroy();
    probed.server.close();
    while (!/health of stream_routes\/u .*unhealthy[^]*health of stream_routes\/u .*unhealthy/.test(gateway.errorLog))
      await setTimeout(50);
    const stayed = left.senders.size;
    for (const until = performance.now() + 1_500; performance.now() < until; await setTimeout(50)) {
      assert.equal(await ask(client, "x"), "left");
    }
    assert.equal(left.senders.size, stayed);
  });

  await t.test("a datagram that a node refuses goes to the next, and idle sessions end", async (t) => {
    const live = await startUdp(t, (datagram) => Buffer.from(`got ${String(datagram)}`));
    const nodes = [await deadNode(), live.node];
    await apply(gateway, { stream_routes: [route("u", nodes)] });
    for (let i = 0; i < 4; i++) assert.equal(await ask(await udpClient(t, udp), `${i}`), `got ${i}`);

    const timeout = { connect: 1, send: 1, read: 0.5 };
    await apply(gateway, { stream_routes: [route("u", nodes, {}, { timeout })] });
    const client = await udpClient(t, udp);
    let answers = 0;
    client.on("message", () => answers++);
    /** Sends until there is one answer more: what comes after its session has ended is lost. */
    const answered = async (): Promise<void> => {
      for (const before = answers; answers === before; await setTimeout(100)) client.send("x");
    };
    await answered();
    const sessions = live.senders.size;
    // A session of its own after the pause, however late the old one is noticed.
    for (let pause = 1_000; live.senders.size === sessions; pause *= 2) {
      await setTimeout(pause);
      await answered();
    }
  });
});

/** Resident bytes of the gateway's process. */
function memoryOf({ child }: Gateway): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1_024;
}

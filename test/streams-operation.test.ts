import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { startDns } from "./support/dns.ts";
import { startGateway } from "./support/gateway.ts";
import { freePort } from "./support/ports.ts";
import {
  ask,
  deadNode,
  dial,
  named,
  readAll,
  readText,
  startTcp,
  startUdp,
  udpClient,
} from "./support/stream-peers.ts";
import { apply, route, startStreams } from "./support/streams.ts";

// Streams as whoever runs the gateway meets them: numbers, logs, reloads, the end.

test("metrics and log tell of streams that were refused, and of nodes that took none", async (t) => {
  const [server, dead, metrics] = [await startTcp(t, named("one")), await deadNode(), await freePort()];
  const access_log_format = "$status [$upstream_addr] [$upstream_bytes_sent] [$upstream_bytes_received]";
  const { gateway, tcp } = await startStreams(
    t,
    { stream_routes: [route("r", [dead, server.node])] },
    {},
    {
      plugin_attr: { prometheus: { export_addr: { ip: "127.0.0.1", port: metrics }, enable_export_server: true } },
      plugins: ["prometheus"],
      nginx_config: {
        worker_processes: 1,
        event: { worker_connections: 6 },
        stream: { enable_access_log: true, access_log_format },
      },
    },
  );
  const open: Socket[] = [];
  for (let i = 0; i < 6; i++) {
    const client = dial(t, tcp[i % 2]!);
    assert.equal(await readText(client, 4), "one\n");
    open.push(client);
  }
  assert.match(await readAll(dial(t, tcp[0])), /^(\[reset\])?$/);
  open[0]!.end("hello");
  assert.equal(await readText(open[0]!, 5), "hello");
  const log = join(gateway.prefix, "logs", "access_stream.log");
  while (!existsSync(log) || readFileSync(log, "utf8") === "") await setTimeout(20);
  const line = readFileSync(log, "utf8").trim();
  const expected = [`200 [${server.node}] [5] [9]`, `200 [${dead}, ${server.node}] [0, 5] [0, 9]`];
  assert.ok(expected.includes(line), line);
  let text = "";
  while (!/^turnpike_connections_refused_total 1$/m.test(text)) {
    text = await (await fetch(`http://127.0.0.1:${metrics}/apisix/prometheus/metrics`)).text();
  }
  assert.match(text, /^turnpike_upstream_connect_failures_total [1-6]$/m);
});

test("a UDP session stays where it is when the name of its node is led elsewhere", async (t) => {
  const port = await freePort();
  const dns = await startDns(t);
  const lead = (value: string): void => void dns.answers.set("node.test", [{ type: "A", value }]);
  lead("127.0.0.1");
  await startUdp(t, () => Buffer.from("one"), port);
  await startUdp(t, () => Buffer.from("two"), port, "127.0.0.2");
  const standalone = { stream_routes: [route("u", [`node.test:${port}`])] };
  const { udp } = await startStreams(t, standalone, { dns_resolver: [dns.server] });
  const client = await udpClient(t, udp);
  assert.equal(await ask(client, "x"), "one");
  lead("127.0.0.2");
  while ((await ask(await udpClient(t, udp), "x")) !== "two") await setTimeout(20);
  // Longer than a session takes to look.
  for (const until = performance.now() + 1_500; performance.now() < until; await setTimeout(50)) {
    assert.equal(await ask(client, "x"), "one");
  }
});

test("a reload leaves open streams alone; SIGTERM lets them finish and exits with 0", async (t) => {
  const server = await startTcp(t, named("one"));
  const standalone = { stream_routes: [route("r", [server.node])] };
  const nginx = { nginx_config: { worker_shutdown_timeout: "30s" } };
  const { gateway, tcp } = await startStreams(t, standalone, {}, nginx);
  const client = dial(t, tcp[0]);
  assert.equal(await readText(client, 4), "one\n");
  gateway.child.kill("SIGHUP");
  while (!/reload: done/.test(gateway.errorLog)) await setTimeout(20);
  // What waits in the queue of a worker that is replaced may be reset (tcp_migrate_req).
  let fresh = "";
  while (fresh === "") {
    const next = dial(t, tcp[0]);
    fresh = await readText(next, 4);
    next.end();
  }
  assert.equal(fresh, "one\n");
  client.write("after the reload");
  assert.equal(await readText(client, 16), "after the reload");
  gateway.child.kill("SIGTERM");
  await gateway.until("draining");
  // A stream that is still accepted ends with its client.
  while ((await readAll(dial(t, tcp[0]).end())) !== "[reset]");
  client.end("finish");
  assert.equal(await readText(client, 6), "finish");
  assert.equal(await gateway.exited, 0);
});

test("datagrams of new clients are answered while a replaced worker still waits for an answer", async (t) => {
  const silent = await startUdp(t, () => null);
  const live = await startUdp(t);
  const routes = (node: string): object => ({ stream_routes: [route("u", [node])] });
  const { gateway, udp } = await startStreams(t, routes(silent.node));
  // Some for each worker: what nobody answers holds its drain.
  const asked = once(silent.socket, "message");
  for (let i = 0; i < 20; i++) (await udpClient(t, udp)).send("nobody answers");
  await asked;
  await apply(gateway, routes(live.node));
  gateway.child.kill("SIGHUP");
  while (!/reload: done/.test(gateway.errorLog)) await setTimeout(10);
  const clients = await Promise.all(Array.from({ length: 40 }, async () => await udpClient(t, udp)));
  // A datagram that is lost is sent once more, with another text.
  const answers = await Promise.all(
    clients.map(async (client) => {
      const answer = once(client, "message");
      client.send("first");
      const again = setInterval(() => client.send("again"), 2_000);
      const [text] = (await answer) as [Buffer];
      clearInterval(again);
      return String(text);
    }),
  );
  assert.deepEqual(new Set(answers), new Set(["first"]));
});

test("SIGTERM with a stream that never ends: cut at the deadline, exit 0", async (t) => {
  const server = await startTcp(t, named("one"));
  const standalone = { stream_routes: [route("r", [server.node])] };
  const { gateway, tcp, udp } = await startStreams(
    t,
    standalone,
    {},
    { nginx_config: { worker_shutdown_timeout: "1s" } },
  );
  const client = dial(t, tcp[0]);
  assert.equal(await readText(client, 4), "one\n");
  (await udpClient(t, udp)).send("nobody answers");
  gateway.child.kill("SIGTERM");
  assert.equal(await readAll(client), "[reset]");
  assert.equal(await gateway.exited, 0);
});

test("a port for streams that is taken refuses the start, by name", async (t) => {
  const taken = await startUdp(t);
  const port = Number(taken.node.split(":")[1]);
  const gateway = await startGateway(t, {
    standalone: {},
    config: { apisix: { proxy_mode: "http&stream", stream_proxy: { udp: [`127.0.0.1:${port}`] } } },
  });
  assert.equal(await gateway.exited, 1);
  assert.match(gateway.output, new RegExp(`stream udp 127\\.0\\.0\\.1:${port}: the address is already in use`));
});

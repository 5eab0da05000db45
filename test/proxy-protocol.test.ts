import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { type Gateway, startGateway } from "./support/gateway.ts";
import { freePort } from "./support/ports.ts";
import { dial, readAll, startTcp } from "./support/stream-peers.ts";

// The PROXY protocol on the listeners of a real gateway, sent by sockets of the test's own.

const V2_SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

/** A header of version 2 for a client of IPv4. */
function v2(ip: string, port: number): Buffer {
  const header = Buffer.alloc(28);
  V2_SIGNATURE.copy(header);
  header.set([0x21, 0x11, 0, 12, ...ip.split(".").map(Number), 127, 0, 0, 1], 12);
  header.writeUInt16BE(port, 24);
  return header;
}

const v1 = (ip: string): string => `PROXY TCP4 ${ip} 127.0.0.1 5000 80\r\n`;

interface Listeners {
  readonly gateway: Gateway;
  readonly tcp: number;
}

async function start(t: TestContext, standalone: object): Promise<Listeners> {
  const tcp = await freePort();
  const gateway = await startGateway(t, {
    workers: 1,
    standalone,
    config: {
      apisix: {
        proxy_mode: "http&stream",
        stream_proxy: { tcp: [`127.0.0.1:${tcp}`] },
        proxy_protocol: { enable_tcp_pp: true, enable_tcp_pp_to_upstream: true },
      },
      nginx_config: {
        stream: {
          enable_access_log: true,
          access_log_format: "$remote_addr $remote_port $protocol $status $bytes_sent $bytes_received $upstream_addr",
        },
      },
    },
  });
  await gateway.until(200);
  return { gateway, tcp };
}

test("the PROXY protocol", async (t) => {
  // Tells what it heard up to the first full stop, as soon as that has come.
  const repeat = (socket: Socket): void => {
    let heard = "";
    socket.on("data", (chunk: Buffer) => {
      heard += chunk.toString("latin1");
      if (heard.endsWith(".")) socket.end(`<${heard}>`);
    });
  };
  const server = await startTcp(t, repeat);
  const nodes = { [server.node]: 1 };
  const { gateway, tcp } = await start(t, {
    stream_routes: [
      {
        id: "denied",
        remote_addr: "10.0.0.0/8",
        upstream: { nodes },
        plugins: { "ip-restriction": { blacklist: ["10.0.0.9"] } },
      },
      { id: "v6", remote_addr: "2001:db8::/32", upstream: { nodes } },
      { id: "local", remote_addr: "127.0.0.1", upstream: { nodes } },
    ],
  });
  const told = async (bytes: Buffer | string): Promise<string> => {
    const client = dial(t, tcp);
    client.end(bytes);
    return await readAll(client);
  };

  await t.test("streams: the client's address is matched, restricted, passed on and logged", async () => {
    const passedOn = (ip: string, port = 5_000): string => `<PROXY TCP4 ${ip} 127.0.0.1 ${port} ${tcp}\r\nhello.>`;
    assert.equal(await told(`${v1("10.0.0.1")}hello.`), passedOn("10.0.0.1"));
    assert.equal(await told(Buffer.concat([v2("10.0.0.2", 7), Buffer.from("hello.")])), passedOn("10.0.0.2", 7));
    assert.match(await told("PROXY UNKNOWN\r\nhello."), /^<PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\nhello\.>$/);
    assert.equal(await told("PROXY TCP6 2001:db8::7 ::1 1 2\r\nhello."), "<PROXY UNKNOWN\r\nhello.>");
    assert.equal(await told(`${v1("10.0.0.9")}hello.`), "");
    assert.equal(await told(`${v1("192.168.0.1")}hello.`), "");
    const log = await logged(gateway, "192.168.0.1 ");
    assert.match(log, new RegExp(`^10\\.0\\.0\\.1 5000 TCP 200 \\d+ 6 ${server.node}$`, "m"));
    assert.match(log, /^10\.0\.0\.9 5000 TCP 403 0 0 -$/m);
  });

  await t.test("streams: a header may come byte by byte", async () => {
    for (const header of [Buffer.from(v1("10.1.2.3")), v2("10.1.2.3", 5_000)]) {
      const client = dial(t, tcp);
      for (const byte of Buffer.concat([header, Buffer.from("hello.")])) {
        await new Promise((resolve) => client.write(Buffer.of(byte), resolve));
      }
      assert.match(await readAll(client), /^<PROXY TCP4 10\.1\.2\.3 .*hello\.>$/s);
    }
  });

  await t.test("streams: what is no header closes the connection and is logged", async () => {
    const heard = server.sockets.size;
    assert.match(await told("GET / HTTP/1.1\r\n\r\n"), /^(\[reset\])?$/);
    assert.match(await told("PROXY TCP4 10.0.0.1 10.0.0.1 99999 1\r\nhello."), /^(\[reset\])?$/);
    assert.equal(server.sockets.size, heard, "nothing of it reaches a node");
    assert.match(gateway.errorLog, /stream refused: no PROXY header, client 127\.0\.0\.1/);
    const halfway = dial(t, tcp);
    halfway.end("PROXY TCP4 10");
    assert.match(await readAll(halfway), /^(\[reset\])?$/);
  });
});

/** The access log of streams once it holds a line with `text`. */
async function logged({ prefix }: Gateway, text: string): Promise<string> {
  for (;;) {
    const log = readFileSync(join(prefix, "logs", "access_stream.log"), "utf8");
    if (log.includes(text)) return log;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

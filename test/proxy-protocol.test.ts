import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import type { Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { makePair } from "../src/tls/testing.ts";
import { type Gateway, startGateway } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
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

/** What a PROXY header says, and who has sent it. */
const ends =
  "$proxy_protocol_addr:$proxy_protocol_port to $proxy_protocol_server_addr:$proxy_protocol_server_port " +
  "from $realip_remote_addr:$realip_remote_port";

interface Listeners {
  readonly gateway: Gateway;
  readonly tcp: number;
  readonly http: number;
  readonly https: number;
}

async function start(t: TestContext, standalone: object): Promise<Listeners> {
  const [tcp, http, https] = [await freePort(), await freePort(), await freePort()];
  const gateway = await startGateway(t, {
    workers: 1,
    standalone,
    config: {
      apisix: {
        proxy_mode: "http&stream",
        stream_proxy: { tcp: [`127.0.0.1:${tcp}`] },
        ssl: { enable: true, listen: [{ ip: "127.0.0.1", port: await freePort() }] },
        proxy_protocol: {
          enable_tcp_pp: true,
          enable_tcp_pp_to_upstream: true,
          listen_http_port: http,
          listen_https_port: https,
        },
      },
      nginx_config: {
        http: { access_log_format: `$uri ${ends}` },
        stream: {
          enable_access_log: true,
          access_log_format: `$remote_addr $remote_port $protocol $status $bytes_sent $bytes_received $upstream_addr ${ends}`,
        },
      },
    },
  });
  await gateway.until(200);
  return { gateway, tcp, http, https };
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
  const pair = makePair({ name: "a.test" });
  const told: string[] = [];
  const origin = await startOrigin(t, "origin", ({ url, headers }, response) => {
    told.push(`${url} ${String(headers["x-real-ip"])} ${String(headers["x-forwarded-for"])}`);
    response.end("here\n");
  });
  const denied = { "ip-restriction": { blacklist: ["10.0.0.9"] } };
  const { gateway, tcp, http, https } = await start(t, {
    ssls: [{ id: "1", sni: "a.test", ...pair }],
    routes: [{ id: "all", uri: "/*", upstream: { nodes: { [origin.node]: 1 } }, plugins: denied }],
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
  const said = async (bytes: Buffer | string): Promise<string> => {
    const client = dial(t, tcp);
    client.end(bytes);
    return await readAll(client);
  };

  await t.test("streams: the client's address is matched, restricted, passed on and logged", async () => {
    const passedOn = (ip: string, port = 5_000): string => `<PROXY TCP4 ${ip} 127.0.0.1 ${port} ${tcp}\r\nhello.>`;
    assert.equal(await said(`${v1("10.0.0.1")}hello.`), passedOn("10.0.0.1"));
    assert.equal(await said(Buffer.concat([v2("10.0.0.2", 7), Buffer.from("hello.")])), passedOn("10.0.0.2", 7));
    assert.match(await said("PROXY UNKNOWN\r\nhello."), /^<PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\nhello\.>$/);
    assert.equal(await said("PROXY TCP6 2001:db8::7 ::1 1 2\r\nhello."), "<PROXY UNKNOWN\r\nhello.>");
    assert.equal(await said(`${v1("10.0.0.9")}hello.`), "");
    assert.equal(await said(`${v1("192.168.0.1")}hello.`), "");
    const log = await logged(gateway, "stream", "192.168.0.1 ");
    const told = String.raw`10\.0\.0\.1:5000 to 127\.0\.0\.1:80 from 127\.0\.0\.1:\d+`;
    assert.match(log, new RegExp(`^10\\.0\\.0\\.1 5000 TCP 200 \\d+ 6 ${server.node} ${told}$`, "m"));
    assert.match(log, /^10\.0\.0\.9 5000 TCP 403 0 0 - /m);
    assert.match(log, /^127\.0\.0\.1 (\d+) TCP 200 .* -:- to -:- from 127\.0\.0\.1:\1$/m);
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
    assert.match(await said("GET / HTTP/1.1\r\n\r\n"), /^(\[reset\])?$/);
    assert.match(await said("PROXY TCP4 10.0.0.1 10.0.0.1 99999 1\r\nhello."), /^(\[reset\])?$/);
    assert.equal(server.sockets.size, heard, "nothing of it reaches a node");
    assert.match(gateway.errorLog, /stream refused: no PROXY header, client 127\.0\.0\.1/);
    const halfway = dial(t, tcp);
    halfway.end("PROXY TCP4 10");
    assert.match(await readAll(halfway), /^(\[reset\])?$/);
  });

  await t.test("HTTP: the client's address is the one in the header", async () => {
    const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const answerTo = async (bytes: Buffer | string): Promise<string> => {
      const client = dial(t, http);
      client.write(bytes);
      return await readAll(client);
    };
    assert.match(await answerTo(`${v1("10.0.0.1")}${get("/one")}`), /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(await answerTo(Buffer.concat([v2("10.0.0.2", 7), Buffer.from(get("/two"))])), /^HTTP\/1\.1 200 OK/);
    assert.match(await answerTo(`${v1("10.0.0.9")}${get("/nine")}`), /^HTTP\/1\.1 403 Forbidden/);
    assert.match(await answerTo(get("/none")), /^(\[reset\])?$/);
    assert.deepEqual(told, ["/one 10.0.0.1 10.0.0.1", "/two 10.0.0.2 10.0.0.2"]);
    assert.match(gateway.errorLog, /connection refused: no PROXY header, client 127\.0\.0\.1/);
  });

  await t.test("HTTP: byte by byte, and many requests on one connection", async () => {
    const client = dial(t, http);
    const requests = "GET /byte HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3);
    for (const byte of Buffer.from(`${v1("10.0.0.3")}${requests}`)) {
      await new Promise((resolve) => client.write(Buffer.of(byte), resolve));
    }
    client.write("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert.equal((await readAll(client)).match(/^HTTP\/1\.1 200 OK/gm)?.length, 4);
  });

  await t.test("HTTPS: the header comes before TLS, with HTTP/1.1 and HTTP/2", async () => {
    const handshake = async (ALPNProtocols: string[]): Promise<TLSSocket> => {
      const raw = dial(t, https);
      raw.write(v1("10.0.0.4"));
      const secure = connectTls({ socket: raw, servername: "a.test", ca: pair.cert, ALPNProtocols });
      await once(secure, "secureConnect");
      return secure;
    };
    const one = await handshake(["http/1.1"]);
    one.write("GET /tls HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    assert.match(await readAll(one), /^HTTP\/1\.1 200 OK/);
    const two = await handshake(["h2"]);
    const session = connectHttp2("https://a.test", { createConnection: () => two });
    const stream = session.request({ ":path": "/h2" });
    const [headers] = (await once(stream, "response")) as [{ ":status": number }];
    assert.equal(headers[":status"], 200);
    session.close();
    assert.deepEqual(told.slice(-2), ["/tls 10.0.0.4 10.0.0.4", "/h2 10.0.0.4 10.0.0.4"]);
    const log = await logged(gateway, "http", "/h2 ");
    const logs = (path: string, source: string, destination: string): void =>
      assert.match(log, new RegExp(`^${path} ${source} to ${destination} from 127\\.0\\.0\\.1:\\d{4,5}$`, "m"));
    logs("/one", "10.0.0.1:5000", "127.0.0.1:80");
    logs("/two", "10.0.0.2:7", "127.0.0.1:0");
    logs("/h2", "10.0.0.4:5000", "127.0.0.1:80");
  });
});

/** The access log once it holds a line with `text`. */
async function logged({ prefix }: Gateway, kind: "http" | "stream", text: string): Promise<string> {
  for (;;) {
    const log = readFileSync(join(prefix, "logs", kind === "http" ? "access.log" : "access_stream.log"), "utf8");
    if (log.includes(text)) return log;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

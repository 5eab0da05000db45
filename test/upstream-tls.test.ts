import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { TLSSocket, TlsOptions } from "node:tls";
import {
  caCertificate,
  clientCertificate,
  clientKey,
  serverCertificate,
  serverKey,
} from "../src/control/admin/testing-certificates.ts";
import { type Answer, type Gateway, startGateway } from "./support/gateway.ts";
import { startRawOrigin } from "./support/raw-origin.ts";

/** TLS towards nodes, through the front door: names, verification, client certificates. */

/** A node that tells who asked for whom, and whether the session was resumed. */
async function startNode(t: TestContext, options: TlsOptions = {}): Promise<{ node: string; server: Server }> {
  const tls = { cert: serverCertificate, key: serverKey, ca: caCertificate, requestCert: true, ...options };
  const server = createServer({ rejectUnauthorized: false, ...tls }, (request, response) => {
    const socket = request.socket as TLSSocket;
    const { subject } = socket.getPeerCertificate();
    const name = typeof socket.servername === "string" ? socket.servername : "none";
    const seen = {
      sni: name,
      client: subject?.CN ?? null,
      resumed: socket.isSessionReused(),
      host: request.headers.host,
    };
    if (request.url?.startsWith("/close") === true) response.setHeader("Connection", "close");
    response.end(JSON.stringify(seen));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { node: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

async function put(gateway: Gateway, path: string, body: object): Promise<void> {
  const answer = await gateway.admin("PUT", path, body);
  assert.ok(answer.status < 300, answer.text);
  await gateway.applied(Number(answer.headers.get("x-turnpike-revision")));
}

function toNode(node: string, uri: string, more: object = {}, tls?: object): object {
  const upstream = { type: "roundrobin", scheme: "https", nodes: { [node]: 1 }, ...more, ...(tls && { tls }) };
  return { uri, upstream };
}

const seen = (answer: Answer): Record<string, unknown> => {
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
};

test("settings of answers and of TLS to nodes: charset, proxy_buffer_size, proxy_ssl_server_name", async (t) => {
  const { node } = await startNode(t);
  const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Long: ${"x".repeat(6_000)}\r\nContent-Length: 0\r\n\r\n`;
  const origin = await startRawOrigin(t, (socket) => socket.write(head));
  const toOrigin = { uri: "/plain", upstream: { nodes: { [origin.node]: 1 } } };
  const named = toNode(node, "/named", { pass_host: "rewrite", upstream_host: "up.test" });
  const http = { charset: "off", proxy_buffer_size: "8k", proxy_ssl_server_name: false };
  const gateway = await startGateway(t, {
    workers: 1,
    standalone: {
      routes: [
        { id: "1", ...toOrigin },
        { id: "2", ...named },
      ],
    },
    config: { nginx_config: { http } },
  });
  await gateway.until(200);
  const { status, headers } = await gateway.get("/plain");
  assert.deepEqual([status, headers.get("content-type"), headers.get("x-long")?.length], [200, "text/plain", 6_000]);
  assert.deepEqual(seen(await gateway.get("/named")), { sni: "none", client: null, resumed: false, host: "up.test" });
});

test("names, verification and client certificates of nodes, changed while they serve", async (t) => {
  const gateway = await startGateway(t, { workers: 1, provider: "embedded" });
  const { node } = await startNode(t);
  await gateway.until(200);
  const port = node.slice(node.indexOf(":") + 1);
  const pair = { client_cert: clientCertificate, client_key: clientKey };

  // The name asked for is the Host that is sent; none for an address.
  await put(gateway, "/routes/pass", toNode(node, "/pass"));
  await put(gateway, "/routes/node", toNode(`localhost:${port}`, "/node", { pass_host: "node" }));
  const rewrite = { pass_host: "rewrite", upstream_host: "up.test" };
  await put(gateway, "/routes/rewrite", toNode(node, "/rewrite", rewrite));
  assert.equal(seen(await gateway.get("/pass")).sni, "none");
  assert.equal(seen(await gateway.get("/node")).sni, "localhost");
  assert.deepEqual(seen(await gateway.get("/rewrite")), {
    sni: "up.test",
    client: null,
    resumed: false,
    host: "up.test",
  });

  // A certificate that stands in the upstream; nobody else is shown it over a pooled connection.
  await put(gateway, "/upstreams/pair", { ...(toNode(node, "", {}, pair) as { upstream: object }).upstream });
  await put(gateway, "/routes/pair", { uri: "/pair", upstream_id: "pair" });
  assert.equal(seen(await gateway.get("/pair")).client, "client.test");
  assert.equal(seen(await gateway.get("/pass")).client, null);
  const stored = (await gateway.admin("GET", "/upstreams/pair")).json() as { value: { tls: { client_key: string } } };
  assert.doesNotMatch(stored.value.tls.client_key, /PRIVATE KEY/);

  // One that stands in `ssls`, over services, routes and upstreams, and its removal from service.
  const ssl = { type: "client", cert: clientCertificate, key: clientKey };
  await put(gateway, "/ssls/c", ssl);
  await put(gateway, "/routes/by-id", toNode(node, "/by-id", {}, { client_cert_id: "c" }));
  await put(gateway, "/services/s", {
    upstream: (toNode(node, "", {}, { client_cert_id: "c" }) as { upstream: object }).upstream,
  });
  await put(gateway, "/routes/service", { uri: "/service", service_id: "s" });
  for (const path of ["/by-id", "/service"]) assert.equal(seen(await gateway.get(path)).client, "client.test");
  await put(gateway, "/ssls/c", { ...ssl, cert: serverCertificate, key: serverKey });
  for (const path of ["/by-id", "/service"]) assert.equal(seen(await gateway.get(path)).client, "server.test");
  await put(gateway, "/ssls/c", { ...ssl, status: 0 });
  assert.equal((await gateway.get("/by-id")).status, 502);
  assert.match(gateway.errorLog, /ssls\/c is disabled/);
  await put(gateway, "/ssls/c", ssl);
  assert.equal(seen(await gateway.get("/by-id")).client, "client.test");

  // A key of another certificate is valid for APISIX: it is kept, and not served, with the reason.
  const wrong = toNode(node, "/wrong", {}, { client_cert: clientCertificate, client_key: serverKey });
  await put(gateway, "/routes/wrong", wrong);
  assert.match((await gateway.status("/status/config")).text, /the key does not belong to the certificate/);

  // An authority that the system does not know.
  await put(gateway, "/routes/verify", toNode(node, "/verify", {}, { verify: true }));
  assert.equal((await gateway.get("/verify")).status, 502);
  assert.match(gateway.errorLog, /certificate/);
});

test("nodes are verified by ssl_trusted_certificate and by name; sessions are resumed; probes show the certificate", async (t) => {
  const file = join(import.meta.dirname, "..", `node_modules/.turnpike-test-ca-${process.pid}.pem`);
  writeFileSync(file, caCertificate);
  const { node } = await startNode(t);
  const strict = await startNode(t, { rejectUnauthorized: true });
  const dead = await startNode(t);
  dead.server.close();
  const port = node.slice(node.indexOf(":") + 1);
  const verify = { verify: true };
  const pair = { client_cert: clientCertificate, client_key: clientKey };
  const active = {
    type: "https",
    http_path: "/",
    https_verify_certificate: true,
    healthy: { interval: 1, successes: 1 },
  };
  const checks = { active: { ...active, host: "localhost", unhealthy: { interval: 1, tcp_failures: 1 } } };
  const mutual = { nodes: { [strict.node]: 1, [dead.node]: 1 }, checks };
  const gateway = await startGateway(t, {
    workers: 1,
    config: { apisix: { ssl: { enable: false, ssl_trusted_certificate: file } } },
    standalone: {
      routes: [
        { id: "ok", ...toNode(`localhost:${port}`, "/ok", { pass_host: "node" }, verify) },
        { id: "close", ...toNode(`localhost:${port}`, "/close", { pass_host: "node" }, verify) },
        { id: "name", ...toNode(node, "/name", { pass_host: "rewrite", upstream_host: "other.test" }, verify) },
        { id: "mutual", ...toNode("", "/mutual", mutual, pair) },
        { id: "nobody", ...toNode("", "/nobody", mutual) },
      ],
    },
  });
  await gateway.until(200);
  assert.equal(seen(await gateway.get("/ok")).sni, "localhost");
  assert.equal((await gateway.get("/name")).status, 502);
  assert.match(gateway.errorLog, /other\.test/);

  await gateway.get("/close");
  await gateway.get("/close");
  assert.equal(seen(await gateway.get("/close")).resumed, true);

  const health = async (): Promise<string> => (await gateway.control("/v1/healthcheck", {})).text;
  const states = (text: string): string =>
    (JSON.parse(text) as { name: string; nodes: { port: number; status: string }[] }[])
      .map(({ name, nodes }) => `${name} ${nodes.map(({ port: at, status }) => `${at} ${status}`).join(" ")}`)
      .join("\n");
  const strictPort = strict.node.split(":")[1];
  const deadPort = dead.node.split(":")[1];
  const wanted = new RegExp(
    `mutual .*${strictPort} healthy.*${deadPort} unhealthy|mutual .*${deadPort} unhealthy.*${strictPort} healthy`,
  );
  for (let text = states(await health()); !wanted.test(text); text = states(await health())) {
    assert.equal(gateway.child.exitCode, null, text);
  }
  // Without the certificate the node refuses the probe as it refuses requests.
  for (let text = states(await health()); !new RegExp(`nobody .*${strictPort} unhealthy`).test(text);) {
    text = states(await health());
  }
  assert.equal(seen(await gateway.get("/mutual")).client, "client.test");
});

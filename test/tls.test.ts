import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { makePair, type Pair } from "../src/tls/testing.ts";
import { full, times } from "./support/extent.ts";
import { openPage, startBrowser } from "./support/browser.ts";
import { type Gateway, makePrefix, routeTo, runIn } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
import { resident } from "./support/interop/resident.ts";
import { collectingGarbage } from "./support/memory.ts";
import { type Responder, startResponder } from "./support/ocsp.ts";
import { freePort } from "./support/ports.ts";

const run = promisify(execFile);

/** Changes of a certificate under load. */
const CHANGES = times(1_000, 20);

const authority = makePair({ name: "authority", authority: true });
const server = makePair({ name: "a.test", names: ["a.test", "*.a.test", "m.test", "free.test"], issuer: authority });
const rsa = makePair({ name: "a.test", names: ["a.test"], kind: "rsa", issuer: authority });
const client = makePair({ name: "client", issuer: authority });
const stranger = makePair({ name: "stranger" });

let gateway: Gateway;
let port: number;
const cleanup: (() => unknown)[] = [];

/** Writes a resource and waits until every worker has it. */
async function put(path: string, value: object): Promise<void> {
  const answer = await gateway.admin("PUT", path, value);
  assert.ok(answer.status < 300, answer.text);
  await gateway.applied(Number(answer.headers.get("x-turnpike-revision")));
}

const files: Record<string, string> = {};

before(async () => {
  const origin = await startOrigin({ after: (step: () => void) => cleanup.push(step) } as never);
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
  port = await freePort();
  const options = {
    workers: 2,
    provider: "embedded",
    config: {
      apisix: { match_uri_encoded_slash: true, ssl: { listen: [{ ip: "127.0.0.1", port }] } },
      plugins: ["mocking", "proxy-rewrite", "response-rewrite", "public-api", "batch-requests", "ocsp-stapling"],
    },
    env: full ? collectingGarbage : {},
  } as const;
  const prefix = makePrefix(ports, options);
  for (const [name, pair] of Object.entries({ authority, client, stranger })) {
    for (const part of ["cert", "key"] as const) {
      files[`${name}.${part}`] = join(prefix, `${name}.${part}`);
      writeFileSync(files[`${name}.${part}`]!, pair[part]);
    }
  }
  gateway = runIn(prefix, ports, options);
  await gateway.until(200);
  await put("/routes/1", routeTo(origin.node));
  const shown = "$scheme $ssl_server_name $ssl_client_verify $ssl_client_s_dn $server_protocol";
  const seen = { headers: { set: { "X-Seen": `${shown} ($http2 $ssl_alpn_protocol $ssl_client_s_dn_legacy)` } } };
  await put("/global_rules/1", { plugins: { "response-rewrite": seen } });
  await put("/ssls/a", { snis: ["a.test", "*.a.test"], ...server, certs: [rsa.cert], keys: [rsa.key] });
  await put("/ssls/m", { sni: "m.test", ...server, client: { ca: authority.cert } });
  await put("/ssls/f", {
    sni: "free.test",
    ...server,
    client: { ca: authority.cert, skip_mtls_uri_regex: ["^/free", "^/open/"] },
  });
});
after(async () => {
  await gateway.close();
  for (const step of cleanup) step();
});

interface Curled {
  readonly exit: number;
  readonly head: string;
  readonly text: string;
}

/** `curl` with names that lead here, and the authority trusted. */
async function curl(url: string, ...more: readonly string[]): Promise<Curled> {
  const names = ["a.test", "x.a.test", "m.test", "free.test", "b.test"].flatMap((name) => [
    "--resolve",
    `${name}:${port}:127.0.0.1`,
  ]);
  const args = ["-sSi", "--max-time", "20", "--cacert", files["authority.cert"]!, ...names, ...more, url];
  try {
    const { stdout } = await run("curl", args);
    const [head = "", text = ""] = stdout.split("\r\n\r\n");
    return { exit: 0, head, text };
  } catch (error) {
    return { exit: Number((error as { code?: number }).code), head: "", text: String(error) };
  }
}

const withClient = (name: string): string[] => ["--cert", files[`${name}.cert`]!, "--key", files[`${name}.key`]!];

test("curl: HTTP/1.1 and HTTP/2 by ALPN, the certificate by name", async () => {
  const old = await curl(`https://a.test:${port}/x`, "--http1.1");
  assert.match(old.head, /^HTTP\/1\.1 200 OK/);
  assert.match(old.head, /X-Seen: https a\.test NONE {2}HTTP\/1\.1 \( http\/1\.1 \)/);
  const { head, text } = await curl(`https://x.a.test:${port}/x`, "-d", "body");
  assert.match(head, /^HTTP\/2 200/);
  assert.match(head, /x-seen: https x\.a\.test NONE {2}HTTP\/2\.0 \(h2 h2 \)/);
  assert.equal(text, "origin POST /x\n");
  assert.match((await curl(`${gateway.httpUrl}/x`, "--http2-prior-knowledge")).head, /x-seen: http .*\(h2c {2}\)/);
  assert.equal((await curl(`https://b.test:${port}/x`)).exit, 35);
  // A batch goes the way that it came.
  await put("/routes/batch", { uri: "/batch", plugins: { "public-api": { uri: "/apisix/batch-requests" } } });
  const batch = await curl(`https://a.test:${port}/batch`, "-d", '{"pipeline":[{"path":"/one"},{"path":"/two"}]}');
  assert.match(batch.text, /"status":200.*"X-Seen":"https a\.test .*origin GET \/one.*"status":200.*origin GET \/two/);
});

test("curl: a client proves who it is, or is refused in the handshake", async () => {
  const url = `https://m.test:${port}/x`;
  assert.notEqual((await curl(url)).exit, 0);
  assert.notEqual((await curl(url, ...withClient("stranger"))).exit, 0);
  for (const version of ["--http1.1", "--http2"]) {
    const { head } = await curl(url, version, ...withClient("client"));
    assert.match(head, /200/);
    assert.match(head, /x-seen: https m\.test SUCCESS CN=client .* \/CN=client\)/i);
  }
});

test("conditions on what TLS tells, of a connection without it, too", async () => {
  const vars = [
    ["ssl_client_verify", "==", "SUCCESS"],
    ["ssl_client_s_dn", "~~", "CN=client$"],
    ["ssl_alpn_protocol", "in", ["h2", "http/1.1"]],
    ["ssl_protocol", "!", "~~", "^SSL"],
    ["ssl_client_v_remain", ">", 1],
    ["https", "==", "on"],
  ];
  const answer = (status: number): object => ({ mocking: { response_status: status, response_example: "x" } });
  const clear = { uri: "/tls", priority: -1, vars: [["ssl_protocol", "==", null]], plugins: answer(202) };
  await put("/routes/secured", { uri: "/tls", vars, plugins: answer(201) });
  await put("/routes/clear", clear);
  assert.match((await curl(`https://m.test:${port}/tls`, ...withClient("client"))).head, /^HTTP\/2 201/);
  assert.match((await curl(`https://a.test:${port}/tls`)).head, /^HTTP\/2 200/);
  assert.match((await curl(`${gateway.httpUrl}/tls`)).head, /^HTTP\/1\.1 202/);
});

test("where some paths are free, the others are answered with 400, for whichever name one has come", async () => {
  const url = `https://free.test:${port}`;
  assert.match((await curl(`${url}/free`)).head, /^HTTP\/2 200/);
  const closed = await curl(`${url}/closed`);
  assert.match(closed.head, /^HTTP\/2 400/);
  assert.match(closed.text, /400 Bad Request/);
  assert.match((await curl(`${url}/closed`, ...withClient("stranger"))).head, /^HTTP\/2 400/);
  assert.match((await curl(`${url}/closed`, ...withClient("client"))).head, /^HTTP\/2 200/);
  // Matched as one segment, and read as two: free where both are.
  assert.match((await curl(`${url}/open/x`)).head, /^HTTP\/2 200/);
  assert.match((await curl(`${url}/free%2Fx`)).head, /^HTTP\/2 200/);
  assert.match((await curl(`${url}/open%2Fx`)).head, /^HTTP\/2 400/);
  // By another name, without and with proof for another one.
  for (const host of ["m.test", "free.test"]) {
    const { head } = await curl(`https://a.test:${port}/closed`, "--http1.1", "-H", `Host: ${host}`);
    assert.match(head, /^HTTP\/1\.1 400/);
  }
  const other = await curl(`https://m.test:${port}/x`, "--http1.1", "-H", "Host: free.test", ...withClient("client"));
  assert.match(other.head, /^HTTP\/1\.1 400/);
  const strange = await curl(`https://m.test:${port}/x`, "--http1.1", "-H", "Host: b.test", ...withClient("client"));
  assert.match(strange.head, /^HTTP\/1\.1 200/);
});

test("clear text on the port of HTTPS is told so", async () => {
  const { head, text } = await curl(`http://a.test:${port}/x`);
  assert.match(head, /^HTTP\/1\.1 400 Bad Request/);
  assert.match(text, /The plain HTTP request was sent to HTTPS port/);
});

test("openssl resumes a session over workers, with TLS 1.2 and with 1.3", async () => {
  const child = spawn(
    "openssl",
    ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "a.test", "-tls1_2", "-reconnect"],
    {
      stdio: ["pipe", "pipe", "ignore"],
    },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += String(chunk)));
  child.stdin.end();
  await once(child, "close");
  assert.deepEqual(output.match(/^(?:New|Reused)/gm), ["New", "Reused", "Reused", "Reused", "Reused", "Reused"]);
  const first = await open({ servername: "a.test" });
  const session = once(first, "session") as Promise<[Buffer]>;
  first.write("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
  const [ticket] = await session;
  first.destroy();
  for (let i = 0; i < 8; i++) {
    const again = await open({ servername: "a.test", session: ticket });
    assert.equal(again.isSessionReused(), true);
    again.destroy();
  }
});

async function open(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, ca: authority.cert, ...options });
  await once(socket, "secureConnect");
  return socket;
}

test("h2load and nghttp are served whole", async () => {
  const target = [`--connect-to=127.0.0.1:${port}`, `https://a.test:${port}/x`];
  const { stdout } = await run("h2load", ["-n", "400", "-c", "4", "-m", "20", ...target]);
  assert.match(stdout, /400 succeeded, 0 failed, 0 errored/);
  const verbose = await run("nghttp", ["-nv", "-H", ":authority: a.test", `http://127.0.0.1:${gateway.httpPort}/x`]);
  assert.match(verbose.stdout, /:status: 200/);
});

test("a certificate that cannot be used is refused with the reason; one that has expired is served and shown", async () => {
  const wrong = await gateway.admin("PUT", "/ssls/x", { sni: "x.test", cert: server.cert, key: rsa.key });
  assert.equal(wrong.status, 400);
  assert.match(wrong.text, /the key does not belong to the certificate/);
  const old = makePair({ name: "old.test", issuer: authority, days: -1 });
  await put("/ssls/old", { sni: "old.test", ...old });
  const socket = await open({ servername: "old.test", rejectUnauthorized: false });
  socket.destroy();
  const config = (await gateway.status("/status/config")).json() as {
    certificates: { count: number; soonest: { id: string; names: string[]; expired: boolean }[] };
  };
  const [first, second] = config.certificates.soonest;
  assert.equal(config.certificates.count, 4);
  assert.deepEqual([first?.id, first?.names, first?.expired, second?.expired], ["old", ["old.test"], true, false]);
  assert.equal((await gateway.admin("DELETE", "/ssls/old")).status, 200);
});

test("what the responder says of a certificate is stapled, of each of several its own", async (t) => {
  const responder = await startResponder();
  t.after(() => responder.close());
  const [ec, ecPem] = stapled(responder, "ec");
  const [other, otherPem] = stapled(responder, "rsa");
  const conf = { sni: "ocsp.test", cert: ecPem, key: ec.key, certs: [otherPem], keys: [other.key] };
  await put("/ssls/ocsp", { ...conf, ocsp_stapling: { enabled: true, cache_ttl: 60 } });
  const serial = ({ cert }: Pair): RegExp => new RegExp(`Serial Number: ${new X509Certificate(cert).serialNumber}\n`);
  for (const [pair, sigalgs] of [
    [ec, "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256"],
    [other, "rsa_pss_rsae_sha256"],
  ] as const) {
    let output = "";
    // From the answer of the responder on, whenever that is.
    while (!output.includes("OCSP Response Status")) output = await statusOf("ocsp.test", sigalgs);
    assert.match(output, /OCSP Response Status: successful[^]*Cert Status: good/);
    assert.match(output, serial(pair));
  }
  await put("/ssls/ocsp", { ...conf, ocsp_stapling: { enabled: false } });
  assert.match(await statusOf("ocsp.test"), /OCSP response: no response sent/);
  const tooOften = await gateway.admin("PUT", "/ssls/x", { ...conf, ocsp_stapling: { cache_ttl: 59 } });
  assert.equal(tooOften.status, 400);
  assert.match(
    String(tooOften.json().error_msg),
    /property "cache_ttl" validation failed: expected 59 to be at least 60/,
  );
});

test("nothing is stapled to a certificate that is revoked, and its log line says so", async (t) => {
  const responder = await startResponder();
  t.after(() => responder.close());
  const [pair, cert] = stapled(responder, "ec", "revoked");
  await put("/ssls/ocsp", { sni: "ocsp.test", cert, key: pair.key, ocsp_stapling: { enabled: true } });
  while (!gateway.errorLog.includes(`no OCSP response from ${responder.url}ec: the certificate is revoked`)) {
    await statusOf("ocsp.test");
  }
  assert.match(await statusOf("ocsp.test"), /OCSP response: no response sent/);
});

/** A certificate of which the responder will say this; and with its issuer behind it. */
function stapled(responder: Responder, kind: "ec" | "rsa", status: "good" | "revoked" = "good"): [Pair, string] {
  const pair = makePair({ name: "ocsp.test", kind, issuer: authority, responder: `${responder.url}${kind}` });
  responder.answers.set(kind, { issuer: authority, certificate: pair, status });
  return [pair, pair.cert + authority.cert];
}

/** What `openssl s_client -status` prints. */
async function statusOf(name: string, sigalgs = "ecdsa_secp256r1_sha256"): Promise<string> {
  const to = ["-connect", `127.0.0.1:${port}`, "-servername", name];
  const child = spawn("openssl", ["s_client", "-status", "-sigalgs", sigalgs, ...to], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.end();
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += String(chunk)));
  await once(child, "close");
  return output;
}

test("certificates change under load: no handshake fails, no connection is dropped, nothing is kept", async (t) => {
  const pairs: Pair[] = ["one.test", "two.test"].map((name) =>
    makePair({ name, names: ["hot.test"], issuer: authority }),
  );
  await put("/ssls/hot", { sni: "hot.test", ...pairs[0] });
  const options = { servername: "hot.test", ca: authority.cert };
  const kept = await open(options);
  let running = true;
  let handshakes = 0;
  const seen = new Set<string>();
  const clients = Array.from({ length: 4 }, async () => {
    while (running) {
      const socket = await open(options);
      seen.add(socket.getPeerCertificate().subject.CN as string);
      assert.match(await ask(socket), /^HTTP\/1\.1 200/);
      socket.destroy();
      handshakes++;
    }
  });
  let before = 0;
  for (let i = 1; i <= CHANGES; i++) {
    await put("/ssls/hot", { sni: "hot.test", ...pairs[i % 2] });
    assert.match(await ask(kept), /^HTTP\/1\.1 200/);
    // What is compiled and allocated the first time is not counted.
    if (i === CHANGES / 4) before = resident(gateway);
  }
  const grown = resident(gateway) - before;
  running = false;
  await Promise.all(clients);
  kept.destroy();
  assert.ok(handshakes > 0);
  t.diagnostic(`${CHANGES} changes, ${handshakes} handshakes, from ${before} MB on ${grown} MB more`);
  // Where garbage is left to V8 it takes more for a while.
  assert.ok(grown < (full ? 24 : 96), `${grown} MB more`);
  assert.deepEqual([...seen].sort(), ["one.test", "two.test"]);
});

/** One request on a connection that is kept; the beginning of the answer. */
async function ask(socket: TLSSocket): Promise<string> {
  socket.write("GET /x HTTP/1.1\r\nHost: hot.test\r\n\r\n");
  let text = "";
  while (!text.endsWith("/x\n")) text += String((await once(socket, "data"))[0]);
  return text;
}

test("Chromium loads a page and all that belongs to it over one HTTP/2 connection", async (t) => {
  const pieces = Array.from({ length: 24 }, (_, at) => `/page/${at}.js`);
  const html = `<!doctype html><html lang="en"><title>-</title><link rel="icon" href="data:,"><body>${pieces.map((src) => `<script src="${src}"></script>`).join("")}</body></html>`;
  const connections = new Set<string>();
  const origin = await startOrigin(t, "page", (request, response) => {
    const script = request.url?.endsWith(".js") === true;
    response.setHeader("Content-Type", script ? "text/javascript" : "text/html");
    connections.add(String(request.headers["x-connection"]));
    response.end(script ? `document.title += ".";` : html);
  });
  const mark = { "proxy-rewrite": { headers: { set: { "X-Connection": "$connection" } } } };
  await put("/routes/page", { ...routeTo(origin.node, "/page/*"), plugins: mark });
  const browser = await startBrowser([`--host-resolver-rules=MAP a.test 127.0.0.1`]);
  t.after(() => browser.close());
  const site = `https://a.test:${port}`;
  const { page, complaints } = await openPage(browser, site, { ignoreHTTPSErrors: true });
  await page.goto(`${site}/page/`);
  assert.equal(await page.title(), `-${".".repeat(pieces.length)}`);
  const protocols = (await page.evaluate(
    `performance.getEntries().map(({ nextHopProtocol }) => nextHopProtocol).filter(Boolean)`,
  )) as string[];
  assert.deepEqual([...new Set(protocols)], ["h2"]);
  assert.equal(protocols.length, pieces.length + 1);
  assert.equal(connections.size, 1);
  assert.deepEqual(complaints, []);
});

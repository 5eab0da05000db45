import assert from "node:assert/strict";
import { test } from "node:test";
import { complaints, dataPlane, load, loadClean } from "./load-fixture.ts";
import type { Settings } from "./settings.ts";

test("where HTTP listens", (t) => {
  const listen = (text: string): string[] =>
    loadClean(t, `apisix:\n  ssl: {enable: false}\n${text}`).http.listen.map(({ ip, port }) => `${ip} ${port}`);
  assert.deepEqual(listen("  node_listen: 80\n"), ["0.0.0.0 80", ":: 80"]);
  assert.deepEqual(listen("  node_listen: [80, 81, 80]\n  enable_ipv6: false\n"), ["0.0.0.0 80", "0.0.0.0 81"]);
  assert.deepEqual(listen("  node_listen:\n    - {ip: 127.0.0.2, port: 82}\n    - {ip: '[::1]'}\n    - port: 83\n"), [
    "127.0.0.2 82",
    "::1 9080",
    "0.0.0.0 83",
    ":: 83",
  ]);
  assert.deepEqual(listen("  node_listen: [{port: 83, enable_ipv6: false}]\n"), ["0.0.0.0 83"]);
});

test("where TCP and UDP listen", (t) => {
  const streams =
    "apisix:\n  proxy_mode: http&stream\n  stream_proxy:\n" +
    "    tcp: [9100, '127.0.0.1:9101', {addr: '[::1]:9102'}, {addr: 9103}, 9100, '9104']\n    udp: [9100, '127.0.0.1:53']\n";
  const { stream, http } = loadClean(t, streams);
  assert.deepEqual(
    stream?.tcp.map(({ ip, port, tls }) => `${ip} ${port} ${tls}`),
    ["0.0.0.0 9100 false", "127.0.0.1 9101 false", "::1 9102 false", "0.0.0.0 9103 false", "0.0.0.0 9104 false"],
  );
  assert.deepEqual(
    stream?.udp.map(({ ip, port }) => `${ip} ${port}`),
    ["0.0.0.0 9100", "127.0.0.1 53"],
  );
  assert.equal(stream?.access, null);
  assert.equal(http.listen.length, 4);
  const off = load(t, `${dataPlane}${streams.replace("http&stream", "http")}`);
  assert.equal(off.settings?.stream, null);
  assert.match(off.findings.map(({ message }) => message).join(), /nothing is opened: proxy_mode is http/);
  assert.match(complaints(t, "apisix: {proxy_mode: stream}\n").join(), /stream, but stream_proxy names no address/);
  assert.match(
    complaints(t, "apisix: {ssl: {enable: false}, proxy_protocol: {listen_https_port: 9182}}\n").join(),
    /error apisix.proxy_protocol.listen_https_port: needs apisix.ssl.enable: true/,
  );
  assert.deepEqual(loadClean(t, streams.replace("http&stream", "stream")).http.listen, []);

  const logged = loadClean(t, `${streams}nginx_config: {stream: {enable_access_log: true}}\n`).stream?.access;
  assert.match(logged?.file ?? "", /\/logs\/access_stream\.log$/);
  const wrong = (tcp: string): string => complaints(t, `apisix:\n  stream_proxy: {tcp: ${tcp}}\n`).join("\n");
  assert.match(wrong("[{tls: false}]"), /error apisix\.stream_proxy\.tcp\[0\]: expected a mapping with addr/);
  assert.match(wrong("[]"), /found an empty list, expected a list of at least one address/);
  for (const bad of [
    "0",
    "65536",
    "localhost:9100",
    "'127.0.0.1:0'",
    "'::1:9100'",
    "'[127.0.0.1]:9100'",
    "':9100'",
    "a",
  ]) {
    assert.match(wrong(`[${bad}]`), /apisix\.stream_proxy\.tcp\[0\]: found .*, expected a port from 1 to 65535/);
  }
  assert.match(
    complaints(t, streams.replace("9103", "9080")).join("\n"),
    /stream tcp port 9080 conflicts with http listen port/,
  );
});

test("where and how HTTPS is served", (t) => {
  const listen = (text: string): string[] =>
    loadClean(t, `apisix:\n  node_listen: [{port: 80, ip: 127.0.0.1}]\n  enable_ipv6: false\n${text}`).http.listen.map(
      ({ ip, port, tls, http2 }) => `${ip} ${port}${tls ? " tls" : ""}${http2 ? " h2" : ""}`,
    );
  assert.deepEqual(listen("  ssl: {listen: [{port: 443, ip: 127.0.0.2}, {port: 444, enable_http2: false}]}\n"), [
    "127.0.0.1 80 h2",
    "127.0.0.2 443 tls h2",
    "0.0.0.0 444 tls",
  ]);
  assert.deepEqual(listen("  enable_http2: false\n"), ["127.0.0.1 80", "0.0.0.0 9443 tls"]);
  const { tls, prefix, trustedCertificates } = loadClean(
    t,
    "apisix:\n  ssl: {ssl_protocols: TLSv1.3 TLSv1.2, ssl_ciphers: 'AES128-SHA', fallback_sni: a.test, " +
      "ssl_session_tickets: false, ssl_trusted_certificate: conf/config.yaml}\n",
  );
  assert.deepEqual(tls, {
    protocols: ["TLSv1.2", "TLSv1.3"],
    ciphers: "AES128-SHA",
    sessionTickets: false,
    fallbackSni: "a.test",
  });
  assert.equal(trustedCertificates, `${prefix}/conf/config.yaml`);
  assert.match(complaints(t, "apisix: {ssl: {ssl_trusted_certificate: conf/no.crt}}\n")[0]!, /no.crt cannot be read$/);
  assert.equal(loadClean(t, "apisix: {ssl: {enable: false}}\n").tls, null);
});

test("what TLS cannot do is refused", (t) => {
  const ssl = (text: string): readonly string[] => complaints(t, `apisix:\n  ssl: {${text}}\n`);
  assert.deepEqual(ssl("listen: [{port: 443, enable_http3: true}]"), [
    "6 error apisix.ssl.listen[0].enable_http3: found true, expected false: HTTP/3 is not served",
  ]);
  assert.deepEqual(ssl("listen: [{port: 443, enable_quic: true}]"), [
    "6 error apisix.ssl.listen[0].enable_quic: found true, expected false: HTTP/3 is not served",
  ]);
  assert.deepEqual(ssl("ssl_protocols: SSLv3"), [
    '6 error apisix.ssl.ssl_protocols: found "SSLv3", expected TLS versions from TLSv1.1 to TLSv1.3, separated by blanks',
  ]);
  assert.deepEqual(ssl("ssl_protocols: TLSv1.1 TLSv1.3"), [
    '6 error apisix.ssl.ssl_protocols: found "TLSv1.1 TLSv1.3", expected TLSv1.2 between TLSv1.1 and TLSv1.3, which OpenSSL cannot leave out',
  ]);
  assert.match(ssl("ssl_ciphers: NONSENSE")[0] ?? "", /^6 error apisix.ssl.ssl_ciphers: found "NONSENSE", expected/);
});

test("port 0 is for tests", (t) => {
  const text = "apisix:\n  node_listen: 0\n  control: {port: 0}\n  status: {port: 0}\n";
  const fields = load(t, dataPlane + text).findings.map(({ field }) => field);
  assert.deepEqual(fields, ["apisix.node_listen", "apisix.control.port", "apisix.status.port"]);
  const settings = loadClean(t, text, { TURNPIKE_ALLOW_PORT_ZERO: "1" });
  assert.equal(settings.status?.port, 0);
  assert.deepEqual(
    complaints(t, "plugin_attr: {prometheus: {export_addr: {port: 0}}}\n", { TURNPIKE_ALLOW_PORT_ZERO: "1" }),
    ["5 error plugin_attr.prometheus.export_addr.port: found 0, expected a port from 1 to 65535"],
  );
});

test("Consul is asked with long polls unless that is turned off", (t) => {
  const consul = (rest: string): object | null =>
    loadClean(t, `discovery:\n  consul:\n    servers: ["http://127.0.0.1:8500/"]\n${rest}`).discovery.consul;
  const asked = {
    servers: ["http://127.0.0.1:8500"],
    token: null,
    answerMs: 4_000,
    intervalMs: 3_000,
    weight: 1,
    skipped: [],
    fallback: null,
  };
  assert.deepEqual(consul(""), { ...asked, waitMs: 60_000 });
  assert.deepEqual(consul("    timeout: {connect: 1000, wait: 5}\n"), { ...asked, answerMs: 3_000, waitMs: 5_000 });
  assert.deepEqual(consul("    keepalive: false\n    fetch_interval: 9\n"), {
    ...asked,
    waitMs: null,
    intervalMs: 9_000,
  });
});

test("status", (t) => {
  assert.equal(loadClean(t, "apisix: {status: false}\n").status, null);
  assert.equal(loadClean(t, "apisix: {status: null}\n").status, null);
  assert.equal(loadClean(t, "apisix:\n  status:\n").status, null);
  assert.equal(loadClean(t, "apisix: {status: {}}\n").status?.port, 7085);
  assert.equal(loadClean(t, "apisix: {status: {ip: '[::1]'}}\n").status?.ip, "::1");
  assert.equal(loadClean(t, "apisix: {status: {ip: '0:0:0:0:0:0:0:1'}}\n").status?.ip, "::1");
  assert.equal(loadClean(t, "apisix: {status: {ip: 0.0.0.0}}\n").status?.ip, "0.0.0.0");
  assert.equal(loadClean(t, "apisix: {status: {unresponsive_after: 0.5}}\n").status?.unresponsiveAfterMs, 500);
  assert.equal(loadClean(t, "apisix: {status: {unresponsive_after: 1m}}\n").status?.unresponsiveAfterMs, 60_000);

  const wrong = (status: string): string => complaints(t, `apisix:\n  status: ${status}\n`).join("\n");
  const mapping = "a mapping with ip and port, or false to turn the Status API off";
  assert.equal(wrong("true"), `6 error apisix.status: found true, expected ${mapping}`);
  assert.equal(wrong("7085"), `6 error apisix.status: found 7085, expected ${mapping}`);
  assert.equal(wrong("[1]"), `6 error apisix.status: found a list, expected ${mapping}`);
  for (const port of ["0", "65536", "-1", "7085.5", "'7085'", "true", "[7085]", ".nan"]) {
    assert.match(wrong(`{port: ${port}}`), /^6 error apisix\.status\.port: found .+, expected a port from 1 to 65535$/);
  }
  for (const ip of ["localhost", "''", "1.2.3", "'[127.0.0.1]'", "'::1]'", "127.0.0.1:7085", "0x7f.1", "7085"]) {
    assert.match(wrong(`{ip: ${ip}}`), /^6 error apisix\.status\.ip: found .+, expected an IP address/);
  }
  assert.match(wrong("{unresponsive_after: 0}"), /found 0, expected a duration/);
});

test("ports in conflict", (t) => {
  const conflicts = (text: string): string[] => {
    const { findings } = load(t, text);
    return findings
      .filter(({ message }) => message.includes("conflicts"))
      .map((f) => `${f.line} ${f.field}: ${f.message}`);
  };
  const apisix = (text: string): string[] => conflicts(`${dataPlane}apisix:\n${text}`);

  assert.deepEqual(conflicts("apisix:\n  status:\n    port: 9180\n"), [
    "3 apisix.status.port: status port 9180 conflicts with admin port",
  ]);
  assert.deepEqual(conflicts("apisix: {enable_admin: false, status: {port: 9180}}\n"), []);
  assert.deepEqual(apisix("  status: {port: 9180}\n"), []);
  assert.deepEqual(apisix("  status: {port: 9090}\n"), [
    "6 apisix.status.port: status port 9090 conflicts with control port",
  ]);
  assert.deepEqual(apisix("  enable_control: false\n  status: {port: 9090}\n"), []);
  assert.deepEqual(apisix("  status: {port: 9091}\n"), [
    "6 apisix.status.port: status port 9091 conflicts with prometheus port",
  ]);
  assert.deepEqual(apisix("  status: {port: 9091}\nplugins: [key-auth]\n"), []);
  assert.deepEqual(apisix("  status: {port: 9091}\nplugin_attr: {prometheus: {enable_export_server: false}}\n"), []);
  assert.deepEqual(apisix("  status: {port: 9080}\n"), [
    "6 apisix.status.port: status port 9080 conflicts with http listen port",
  ]);
  assert.deepEqual(apisix("  node_listen: 7085\n"), [
    "6 apisix.node_listen: status port 7085 conflicts with http listen port",
  ]);
  assert.deepEqual(apisix("  status: {port: 9443}\n"), [
    "6 apisix.status.port: status port 9443 conflicts with https listen port",
  ]);
  assert.deepEqual(apisix("  ssl: {enable: false}\n  status: {port: 9443}\n"), []);
  assert.deepEqual(apisix("  control: {port: 9080}\n"), [
    "6 apisix.control.port: http listen port 9080 conflicts with control port",
  ]);
  assert.deepEqual(apisix("  node_listen: [{ip: 127.0.0.2, port: 9090}]\n"), []);
  assert.deepEqual(apisix("  node_listen: [{ip: '::1', port: 9090}]\n"), []);
  assert.deepEqual(apisix("  node_listen: [{ip: '::', port: 9090}]\n").length, 1);
  assert.deepEqual(apisix("  node_listen: [9080, {ip: 127.0.0.1, port: 9080}]\n"), []);
  assert.deepEqual(apisix("  status: {ip: '::ffff:127.0.0.1', port: 9090}\n").length, 1);
  assert.deepEqual(apisix("  node_listen: [{port: 99999}]\n  status: {port: 9080}\n"), []);
});

test("how many workers", (t) => {
  const workers = (text: string, env: NodeJS.ProcessEnv = {}): number => loadClean(t, text, env).workers;
  assert.equal(workers("nginx_config: {worker_processes: 16}\n"), 16);
  assert.equal(workers("nginx_config: {worker_processes: '3'}\n"), 3);
  assert.equal(workers("nginx_config: {worker_processes: 16}\napisix: {enable_dev_mode: true}\n"), 1);
  assert.equal(workers("apisix: {enable_dev_mode: true}\n", { APISIX_WORKER_PROCESSES: "4" }), 4);
  assert.equal(workers("", { APISIX_WORKER_PROCESSES: "2.9" }), 2);
  assert.equal(workers("nginx_config: {worker_processes: 5}\n", { APISIX_WORKER_PROCESSES: "" }), 5);
  for (const wrong of ["0", "-1", "257", "1.5", "x", "''"]) {
    assert.match(complaints(t, `nginx_config: {worker_processes: ${wrong}}\n`).join(), /^5 error nginx_config\.worker/);
  }
  for (const wrong of ["0", "many", "257"]) {
    const [message = ""] = complaints(t, "", { APISIX_WORKER_PROCESSES: wrong });
    assert.match(message, /^0 error nginx_config\.worker_processes: found ".+" in the environment variable/);
  }
});

test("members of etcd from the environment", (t) => {
  const sourceOf = (text: string, hosts: string): unknown => {
    const { settings, findings } = load(t, text, { APISIX_DEPLOYMENT_ETCD_HOST: hosts });
    assert.deepEqual(findings, []);
    const source = settings?.source;
    return source?.kind === "etcd" ? [source.etcd.hosts, source.etcd.prefix] : source?.kind;
  };
  const etcd = "deployment: {etcd: {host: ['http://127.0.0.1:2379'], prefix: /x}}\n";
  assert.deepEqual(sourceOf(etcd, '["http://a:2379", "http://b:2379"]'), [["http://a:2379", "http://b:2379"], "/x"]);
  assert.deepEqual(sourceOf("apisix: {}\n", '["http://a:2379"]'), [["http://a:2379"], "/apisix"]);
  assert.equal(sourceOf("deployment: {role_traditional: {config_provider: yaml}}\n", '["http://a:2379"]'), "api");
  assert.equal(sourceOf("apisix: {}\n", ""), "embedded");
  for (const [hosts, says] of [
    ["http://a:2379", /in the environment variable APISIX_DEPLOYMENT_ETCD_HOST, expected a JSON list/],
    ["[1]", /expected a JSON list/],
    ['["a:2379"]', /deployment\.etcd\.host\[0\]: found "a:2379", expected an address/],
    ["[]", /a list of at least one address/],
  ] as const) {
    assert.match(complaints(t, "", { APISIX_DEPLOYMENT_ETCD_HOST: hosts }).join(), says);
  }
});

test("logs, limits and addresses", (t) => {
  const http = (text: string): Settings => loadClean(t, `nginx_config:\n  http: {${text}}\n`);
  assert.equal(http("enable_access_log: false").log.access, null);
  assert.equal(http("access_log: 'off'").log.access, null);
  assert.equal(http("access_log: /dev/stdout").log.access?.file, "/dev/stdout");
  assert.equal(http("access_log_buffer: 4k").log.access?.buffer, 4096);
  assert.equal(http("client_max_body_size: 10m").http.clientMaxBodySize, 10_485_760);
  assert.equal(http("underscores_in_headers: off").http.underscoresInHeaders, false);
  assert.equal(http("underscores_in_headers: false").http.underscoresInHeaders, false);
  assert.equal(http("real_ip_recursive: on").http.realIpRecursive, true);
  assert.deepEqual(http("real_ip_from: null").http.realIpFrom, []);
  assert.deepEqual(http("real_ip_from: ['unix:', 10.0.0.0/8]").http.realIpFrom, ["10.0.0.0/8"]);
  assert.equal(http("upstream: {keepalive: '7'}").upstream.keepalive, 7);
  const large = http("large_client_header_buffers: 2 16k, client_header_buffer_size: 4k").http;
  assert.deepEqual([large.maxRequestLine, large.maxHeaderLine, large.maxHead], [16_384, 16_384, 32_768]);
  assert.equal(http("client_header_buffer_size: 64k").http.maxRequestLine, 65_536);
  assert.equal(loadClean(t, "nginx_config: {error_log: stderr}\n").log.errorLog, "/dev/stderr");
  assert.match(complaints(t, "nginx_config: {error_log: 'syslog:server=x'}\n").join(), /expected a file/);
  assert.deepEqual(loadClean(t, "apisix: {trusted_addresses: [10.0.0.0/8]}\n").http.trustedAddresses, ["10.0.0.0/8"]);
});

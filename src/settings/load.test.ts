import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type LoadedSettings, loadSettings } from "./load.ts";
import { complaints, dataPlane, load, loadClean } from "./load-fixture.ts";
import { formatFinding, type CacheSettings, type Settings } from "./settings.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("defaults are APISIX's", (t) => {
  const settings = loadClean(t, "");
  assert.deepEqual(settings.http.listen, [
    { ip: "0.0.0.0", port: 9080, tls: false, http2: true, proxyProtocol: false },
    { ip: "::", port: 9080, tls: false, http2: true, proxyProtocol: false },
    { ip: "0.0.0.0", port: 9443, tls: true, http2: true, proxyProtocol: false },
    { ip: "::", port: 9443, tls: true, http2: true, proxyProtocol: false },
  ]);
  assert.equal(settings.workers, Math.min(availableParallelism(), 256));
  assert.deepEqual(settings.status, {
    ip: "127.0.0.1",
    port: 7085,
    allowDetails: ["127.0.0.0/8", "::1/128"],
    allowHosts: [],
    unresponsiveAfterMs: 5000,
  });
  assert.deepEqual(settings.control, { ip: "127.0.0.1", port: 9090 });
  assert.deepEqual(settings.source, { kind: "yaml", file: join(settings.prefix, "conf", "apisix.yaml") });
  assert.deepEqual(settings.shutdown, { delayMs: 0, timeoutMs: 240_000 });
  assert.deepEqual(settings.upstream, {
    keepalive: 320,
    keepaliveRequests: 1000,
    keepaliveTimeoutMs: 60_000,
    maxHead: 4096,
    serverName: true,
  });
  assert.equal(settings.log.errorLog, join(settings.prefix, "logs", "error.log"));
  assert.equal(settings.log.access?.file, join(settings.prefix, "logs", "access.log"));
  assert.equal(settings.http.maxRequestLine, 8192);
  assert.equal(settings.http.maxHead, 32_768);
  assert.deepEqual(settings.http.realIpFrom, ["127.0.0.1"]);
  assert.equal(settings.http.trustedAddresses, null);
  assert.ok(settings.plugins.includes("key-auth"));
});

/** `pluginAttr` but for what the caches of proxy-cache are. */
function attributesOf(settings: Settings | null): object {
  const { "proxy-cache": caches, ...others } = settings?.pluginAttr ?? {};
  assert.ok(caches);
  return others;
}

/** What `plugin_attr` holds in any case: the port for TLS. */
const redirect = { https_port: 9443 };

test("the file as shipped loads, and so does it with every comment taken off", (t) => {
  const shipped = readFileSync(join(root, "conf", "config.yaml"), "utf8");
  const { settings, findings } = loadSettings({ prefix: root, env: {} });
  assert.deepEqual(findings, []);
  assert.deepEqual(settings?.source, { kind: "embedded", file: join(root, "data", "turnpike.db") });
  assert.equal(settings?.configFile, join(root, "conf", "config.yaml"));

  const uncommented = shipped.replace(/^( *)# ((?: {2})*(?:[a-z_]+:|- ).*)$/gm, "$1$2");
  assert.notEqual(uncommented, shipped);
  const full = load(t, uncommented, { ADMIN_KEY: "a-key-of-the-environment" });
  assert.deepEqual(full.findings.map(formatFinding), []);
  assert.deepEqual({ ...full.settings?.status }, { ...settings?.status });
  assert.deepEqual(full.settings?.plugins, ["request-id", "key-auth", "proxy-rewrite", "response-rewrite"]);
});

test("settings are frozen throughout and can be cloned to a thread", (t) => {
  const settings = loadClean(t, "plugin_attr:\n  x: {list: [{a: 1}]}\n");
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    assert.ok(Object.isFrozen(value));
    for (const child of Object.values(value)) walk(child);
  };
  walk(settings);
  assert.deepEqual(structuredClone(settings), settings);
  assert.deepEqual(attributesOf(settings), { redirect, x: { list: [{ a: 1 }] } });
});

test("tags and directives of YAML 1.1 make no other kinds of values", (t) => {
  const settings = loadClean(t, "plugin_attr: {b: !!binary aGk=, d: !!timestamp 2001-01-01, s: !!set {x}, on: on}\n");
  assert.deepEqual(attributesOf(settings), { redirect, b: "aGk=", d: "2001-01-01", s: { x: null }, on: "on" });
  const old = load(t, `%YAML 1.1\n---\n${dataPlane}plugin_attr: {d: 2001-01-01, on: on}\n`);
  assert.deepEqual(attributesOf(old.settings), { redirect, d: "2001-01-01", on: "on" });
});

test("a file that is missing, broken or no mapping is one error", (t) => {
  const missing = loadSettings({ prefix: "/nonexistent/prefix", env: {} });
  assert.equal(missing.settings, null);
  assert.match(
    formatFinding(missing.findings[0]!),
    /^\/nonexistent\/prefix\/conf\/config\.yaml: there is no such file/,
  );

  const rows: readonly [text: string, expected: RegExp][] = [
    ["apisix:\n\tnode_listen: 1\n", /:2: not valid YAML: Tabs are not allowed/],
    ["apisix:\n  a: [1, 2\nb: 1\n", /:3: not valid YAML/],
    ["a: 1\n---\nb: 1\n", /:2: not valid YAML/],
    ["- 1\n", /:1: found a list, expected a mapping/],
    ["# only\n\nhello\n", /:3: found a single value, expected a mapping/],
    ["a: *nothing\n", /not valid YAML/],
    ["a: &a [*a]\n", /not valid YAML: Converting circular structure/],
  ];
  for (const [text, expected] of rows) {
    const { settings, findings } = load(t, text);
    assert.equal(settings, null);
    assert.equal(findings.length, 1, text);
    assert.match(formatFinding(findings[0]!), expected);
  }
});

test("an empty file means the embedded store; deployment.etcd means etcd", (t) => {
  for (const text of ["", "# nothing\n", "apisix:\n"]) {
    const { settings, findings } = load(t, text);
    assert.deepEqual(findings, []);
    const prefix = settings?.prefix ?? "";
    assert.deepEqual(settings?.source, { kind: "embedded", file: join(prefix, "data", "turnpike.db") });
    assert.deepEqual(settings?.admin, {
      listen: { ip: "127.0.0.1", port: 9180 },
      keys: [],
      keyRequired: true,
      generatedKeyFile: join(prefix, "data", "admin.key"),
      allow: ["127.0.0.0/24"],
      cors: true,
      version: "v3",
      tls: null,
    });
  }
  const { settings } = load(t, "deployment:\n  etcd:\n    host: [http://10.0.0.1:2379/]\n    timeout: 5\n");
  assert.deepEqual(settings?.source, {
    kind: "etcd",
    etcd: {
      hosts: ["http://10.0.0.1:2379"],
      prefix: "/apisix",
      user: null,
      password: null,
      timeoutMs: 5_000,
      watchTimeoutMs: 50_000,
      healthCheckTimeoutMs: 10_000,
      startupRetry: 2,
      tls: null,
    },
  });
});

test("the Admin API: keys, who may use it, and where it listens then", (t) => {
  const admin = (lines: string): Settings["admin"] => {
    const { settings, findings } = load(t, `deployment:\n  admin:\n${lines}`);
    assert.deepEqual(findings, []);
    return settings?.admin ?? null;
  };
  const keys = admin("    admin_key: [{name: a, key: k, role: admin}, {name: v, key: 12, role: viewer}]\n");
  assert.deepEqual(keys?.keys, [
    { name: "a", key: "k", role: "admin" },
    { name: "v", key: "12", role: "viewer" },
  ]);
  assert.equal(keys?.generatedKeyFile, null);
  assert.notEqual(admin('    admin_key: [{name: a, key: "", role: admin}]\n')?.generatedKeyFile, null);
  assert.deepEqual(admin("    allow_admin: [10.0.0.0/8]\n")?.listen, { ip: "0.0.0.0", port: 9180 });
  assert.equal(admin("    allow_admin: []\n")?.allow, null);
  assert.deepEqual(admin("    admin_listen: {ip: 127.0.0.9, port: 9181}\n")?.listen, { ip: "127.0.0.9", port: 9181 });
  const { settings } = load(t, "apisix: {enable_admin: false}\n");
  assert.equal(settings?.admin, null);
});

test("roles and providers", (t) => {
  const deployment = (lines: string): LoadedSettings => load(t, `deployment:\n${lines}`);
  const json = deployment("  role: data_plane\n  role_data_plane: {config_provider: json}\n");
  assert.deepEqual(json.settings?.source, {
    kind: "json",
    file: join(json.settings?.prefix ?? "", "conf", "apisix.json"),
  });
  const kindOf = (lines: string): string | undefined => deployment(lines).settings?.source.kind;
  assert.equal(kindOf("  role: data_plane\n"), "etcd");
  assert.equal(kindOf("  role: control_plane\n"), "etcd");
  assert.deepEqual(deployment("  role: control_plane\n").settings?.http.listen, []);
  assert.equal(kindOf("  role: traditional\n  role_traditional: {config_provider: yaml}\n"), "api");
  assert.equal(kindOf("  role: traditional\n  role_traditional: {config_provider: embedded}\n"), "embedded");
  const rows: readonly [lines: string, line: number, expected: RegExp][] = [
    ["  role: data_plane\n  role_data_plane: {config_provider: xds}\n", 3, /config_provider xds is not available/],
    ["  role: data_plane\n  role_data_plane:\n    config_provider: yml\n", 4, /found "yml", expected etcd, yaml or js/],
    ["  role: traditional\n  role_traditional: {config_provider: json}\n", 3, /found "json", expected one of embedded/],
    ["  role: dataplane\n", 2, /found "dataplane", expected one of traditional/],
  ];
  for (const [lines, line, expected] of rows) {
    const errors = deployment(lines).findings.filter(({ severity }) => severity === "error");
    assert.equal(errors.length, 1, lines);
    assert.match(errors[0]!.message, expected);
    assert.equal(errors[0]!.line, line);
  }
});

test("ten mistakes and more, all at once, each with its line", (t) => {
  const text = `apisix:
  node_lisen: 9081
  node_listen:
    - 9080
    - port: 99999
    - {ip: localhost, port: 9082}
  enable_ipv6: "yes"
  status:
    ip: 300.1.2.3
    port: "7085"
    unresponsive_after: soon
    allow_details: [10.0.0.0/33]
  control: 9090
  router: {http: radixtree}
  shutdown_delay: -5
nginx_config:
  worker_processes: many
  http:
    client_max_body_size: 10mb
    access_log: \${{LOG_DIR}}/access.log
    underscores_in_headers: maybe
deployment:
  role: data_plane
  admin:
    admin_key: [{name: a, key: [topsecret], role: root}]
  role_data_plane: {config_provider: xml}
status: {port: 7086}
plugins: key-auth
`;
  const { settings, findings } = load(t, text);
  assert.equal(settings, null);
  const found = findings.map(({ line, severity, field }) => `${line} ${severity} ${field}`);
  assert.deepEqual(found, [
    "2 warning apisix.node_lisen",
    "5 error apisix.node_listen[1].port",
    "6 error apisix.node_listen[2].ip",
    "7 error apisix.enable_ipv6",
    "9 error apisix.status.ip",
    "10 error apisix.status.port",
    "11 error apisix.status.unresponsive_after",
    "12 error apisix.status.allow_details[0]",
    "13 error apisix.control",
    "14 error apisix.router.http",
    "15 error apisix.shutdown_delay",
    "17 error nginx_config.worker_processes",
    "19 error nginx_config.http.client_max_body_size",
    "20 error nginx_config.http.access_log",
    "21 error nginx_config.http.underscores_in_headers",
    "25 error deployment.admin.admin_key[0].key",
    "25 error deployment.admin.admin_key[0].role",
    "26 error deployment.role_data_plane.config_provider",
    "27 warning status",
    "28 error plugins",
  ]);
  const text9 = findings.find(({ line }) => line === 9)?.message;
  assert.equal(text9, 'found "300.1.2.3", expected an IP address such as "127.0.0.1" or "::1"');
  assert.ok(!JSON.stringify(findings).includes("topsecret"));
});

test("secrets are not shown", (t) => {
  const found = complaints(
    t,
    "apisix:\n  data_encryption:\n    keyring: [hunter2]\nplugin_attr: {prometheus: {export_addr: hunter4}}\n",
  );
  assert.ok(found.includes("7 error apisix.data_encryption.keyring[0]: found ***, expected a string of 16 characters"));
  const etcd = load(t, "deployment:\n  etcd:\n    host: ['etcd://u:hunter3@h:1']\n    password: {x: hunter1}\n");
  assert.ok(etcd.findings.some(({ message }) => message.includes('"etcd://***@h:1"')));
  assert.ok(!/hunter[123]/.test(JSON.stringify([found, etcd.findings])));
});

test("keys written twice: the last one wins, with a warning", (t) => {
  const text = "apisix:\n  node_listen: 9080\n  node_listen: 9081\n  node_listen: 9082\n  enable_ipv6: false\n";
  const { settings, findings } = load(
    t,
    `${dataPlane}${text}nginx_config: {worker_processes: 3, worker_processes: 4}\n`,
  );
  assert.equal(settings?.http.listen[0]?.port, 9082);
  assert.equal(settings?.workers, 4);
  assert.deepEqual(
    findings.map(({ severity, field, line, message }) => `${severity} ${line} ${field}: ${message}`),
    [
      "warning 8 apisix.node_listen: written 3 times, in lines 6, 7 and 8; the last one wins",
      "warning 10 nginx_config.worker_processes: written twice, in lines 10 and 10; the last one wins",
    ],
  );
});

test("unknown keys are warnings with a suggestion, at any depth", (t) => {
  assert.deepEqual(
    complaints(
      t,
      "apisix:\n  status: {prot: 7085}\n  worker_processes: 2\n  node_listen: [{port: 9080, pi: 127.0.0.1}]\n" +
        "nginx_config:\n  http:\n    acces_log: x\n    zzz: 1\n    constructor: 1\n" +
        "plugin_attr: {anything: {goes: 1}}\nstatus: {}\nngnix_config: {}\n",
    ),
    [
      "6 warning apisix.status.prot: unknown key, ignored; did you mean apisix.status.port?",
      "7 warning apisix.worker_processes: unknown key, ignored; there is nginx_config.worker_processes",
      "8 warning apisix.node_listen[0].pi: unknown key, ignored; did you mean apisix.node_listen[0].ip?",
      "11 warning nginx_config.http.acces_log: unknown key, ignored; did you mean nginx_config.http.access_log?",
      "12 warning nginx_config.http.zzz: unknown key, ignored",
      "13 warning nginx_config.http.constructor: unknown key, ignored",
      "15 warning status: unknown key, ignored; there is apisix.status",
      "16 warning ngnix_config: unknown key, ignored; did you mean nginx_config?",
    ],
  );
});

test("what has no meaning here is named in one warning, what comes later in another", (t) => {
  assert.deepEqual(
    complaints(
      t,
      "apisix:\n  extra_lua_path: x\n  ssl: {enable: false}\n  proxy_mode: http\n  enable_admin: false\n" +
        "nginx_config:\n  http_configuration_snippet: |\n    x\n  http: {lua_shared_dict: {a: 1m}}\n",
    ),
    [
      "0 warning : apisix.extra_lua_path, nginx_config.http_configuration_snippet, " +
        "nginx_config.http.lua_shared_dict have no meaning here and are ignored",
    ],
  );
  assert.deepEqual(complaints(t, "discovery: {nacos: {}, eureka: {}}\n"), [
    "0 warning : discovery.nacos, discovery.eureka are not available in this version and are ignored",
  ]);
});

test("environment variables in values", (t) => {
  const env = { PORT: "9085", NAME: "x", ON: "true", EMPTY: "", KEY: "00123" };
  const settings = loadClean(
    t,
    `apisix:
  node_listen: \${{PORT}}
  enable_ipv6: \${{ V6 := false }}
  status: {port: "7\${{TAIL:=086}}", ip: "\${{IP:=::1}}"}
  tcp_migrate_req: \${{ON}}
nginx_config:
  http: {access_log: "logs/\${{NAME}}-\${{PORT}}.log", real_ip_header: "\${{KEY}}"}
plugin_attr: {a: {e: "\${{EMPTY:=not this}}", n: "\${{PORT}}", "\${{NAME}}": 1, s: "$NAME \${NAME}"}}
`,
    env,
  );
  assert.equal(settings.http.listen[0]?.port, 9085);
  assert.equal(settings.http.listen[0]?.ip, "0.0.0.0");
  assert.equal(settings.status?.port, 7086);
  assert.equal(settings.status?.ip, "::1");
  assert.equal(settings.tcpMigrateReq, true);
  assert.equal(settings.log.access?.file, join(settings.prefix, "logs/x-9085.log"));
  assert.equal(settings.http.realIpHeader, "00123");
  assert.deepEqual(attributesOf(settings), { redirect, a: { e: "", n: 9085, "${{NAME}}": 1, s: "$NAME ${NAME}" } });

  assert.deepEqual(complaints(t, "apisix:\n  node_listen:\n    - 9080\n    - ${{NOPE}}\n    - 0\n"), [
    "8 error apisix.node_listen[1]: environment variable NOPE is not set; set it, or give a default: ${{NOPE:=default}}",
    "9 error apisix.node_listen[2]: found 0, expected a port from 1 to 65535, or a mapping with ip and port",
  ]);
});

test("APISIX_PROFILE chooses the files", (t) => {
  const prefix = mkdtempSync(join(tmpdir(), "turnpike-settings-"));
  t.after(() => rmSync(prefix, { recursive: true }));
  mkdirSync(join(prefix, "conf"));
  writeFileSync(join(prefix, "conf", "config-dev.yaml"), dataPlane);
  const { settings } = loadSettings({ prefix, env: { APISIX_PROFILE: "dev" } });
  assert.deepEqual(settings?.source, { kind: "yaml", file: join(prefix, "conf", "apisix-dev.yaml") });
});

test("caches are as written, with defaults and absolute paths, or APISIX's", (t) => {
  const none = loadClean(t, "").pluginAttr["proxy-cache"] as CacheSettings;
  assert.deepEqual(
    none.zones.map(({ name, disk }) => [name, disk?.path, disk?.bytes, disk?.levels]),
    [
      ["disk_cache_one", "/tmp/disk_cache_one", 1_073_741_824, [1, 2]],
      ["memory_cache", undefined, undefined, undefined],
    ],
  );
  const zone = "{name: a, disk_path: cache, disk_size: 10m, memory_size: 1m, cache_levels: '2'}";
  const settings = loadClean(t, `apisix:\n  proxy_cache:\n    cache_ttl: 1m\n    zones:\n      - ${zone}\n`);
  assert.deepEqual(settings.pluginAttr["proxy-cache"], {
    ttlMs: 60_000,
    zones: [
      {
        name: "a",
        memoryBytes: 1_048_576,
        disk: { path: join(settings.prefix, "cache"), bytes: 10_485_760, levels: [2] },
      },
    ],
  });
  assert.deepEqual(complaints(t, "apisix:\n  proxy_cache:\n    zones:\n      - {name: a, cache_levels: 1:3}\n"), [
    '8 error apisix.proxy_cache.zones[0].cache_levels: found "1:3", expected one to three digits 1 or 2 such as 1:2',
  ]);
});

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { routeTo, runIn, startGateway, turnpike, type Gateway } from "./support/gateway.ts";
import { open } from "./support/load.ts";
import { freePort } from "./support/ports.ts";

// The command as it is typed: from other directories, with every exit code.

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], cwd = "/", env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const child = spawn(turnpike, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  child.stderr.on("data", (chunk) => (err += String(chunk)));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

/** A prefix that holds these files in conf/. */
function prefixWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const prefix = mkdtempSync(join(tmpdir(), "turnpike-cli-"));
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  mkdirSync(join(prefix, "conf"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(prefix, "conf", name), text);
  return prefix;
}

function portsOf({ httpPort, statusPort, controlPort }: Gateway): readonly [number, number, number] {
  return [httpPort, statusPort, controlPort];
}

const commands = ["start", "stop", "quit", "reload", "test", "status", "wait", "export", "import"];

test("help of every command, version, wrong usage", async () => {
  const help = await run(["--help"]);
  assert.equal(help.code, 0);
  for (const command of [...commands, "version"]) assert.match(help.out, new RegExp(`^  ${command}\\b`, "m"));
  for (const command of commands) {
    const { code, out } = await run([command, "--help"]);
    assert.equal(code, 0, command);
    assert.match(out, new RegExp(`^Usage: turnpike ${command} `), command);
    assert.match(out, /-p, --prefix/);
    assert.match(out, /^Exit codes: 0 .*64 wrong usage\.$/m, command);
  }
  assert.equal((await run(["version", "--help"])).code, 0);
  const version = await run(["version"]);
  assert.deepEqual([version.code, version.err], [0, ""]);
  assert.match(version.out, /^turnpike \d+\.\d+\.\d+\n$/);
  assert.equal((await run(["--version"])).code, 0);
  const wrong: string[][] = [
    ["nosuch"],
    [],
    ["start", "--nosuch"],
    ["wait", "--revision", "x"],
    ["wait", "--timeout", "soon"],
  ];
  for (const args of [...wrong, ["wait", "--ready", "--revision", "1"], ["start", "extra"]]) {
    const { code, err } = await run(args);
    assert.equal(code, 64, args.join(" "));
    assert.notEqual(err, "", args.join(" "));
  }
});

test("without a running gateway: 3, without a config.yaml: 1", async (t) => {
  const port = await freePort();
  const prefix = prefixWith(t, {
    "config.yaml": `apisix: {status: {port: ${port}}}\ndeployment: {role: data_plane, role_data_plane: {config_provider: yaml}}\n`,
    "apisix.yaml": "routes: []\n#END\n",
  });
  for (const args of [["stop"], ["quit"], ["reload"], ["status"], ["wait", "--timeout", "100ms"]]) {
    const { code, err } = await run([...args, "-p", prefix]);
    assert.equal(code, 3, args.join(" "));
    assert.match(err, /not running|not reached|refused/i, args.join(" "));
  }
  const json = await run(["status", "--json", "-p", prefix]);
  assert.equal(json.code, 3);
  assert.equal((JSON.parse(json.out) as { ready: boolean }).ready, false);
  const empty = mkdtempSync(join(tmpdir(), "turnpike-cli-"));
  t.after(() => rmSync(empty, { recursive: true, force: true }));
  for (const command of ["start", "reload", "test", "status", "wait"]) {
    const { code, err } = await run([command], empty);
    assert.equal(code, 1, command);
    assert.match(err, /conf\/config\.yaml: there is no such file/, command);
  }
});

test("status, wait, reload and quit, with -p and -c, from other directories", async (t) => {
  const gateway = await startGateway(t, { standalone: null });
  await gateway.until("has not received configuration");
  const at = ["-p", gateway.prefix];
  const unready = await run(["status", ...at]);
  assert.equal(unready.code, 1);
  assert.match(unready.out, /^not ready: worker id: 0 has not received configuration$/m);
  assert.equal((await run(["wait", ...at, "--timeout", "200ms"])).code, 1);
  gateway.writeStandalone({ routes: [] });
  const waited = await run(["wait", ...at]);
  assert.deepEqual([waited.code, waited.out], [0, "ready\n"]);
  assert.equal((await run(["wait", "--revision", "1"], gateway.prefix)).code, 0, "the prefix is the directory");
  assert.equal((await run(["wait", "--revision", "99", "--timeout", "200ms", ...at])).code, 1);
  gateway.writeStandalone({ routes: [{ id: "bad", uri: 7 }] });
  const rejected = await run(["wait", "--revision", "2", ...at]);
  assert.equal(rejected.code, 2);
  assert.match(rejected.err, /routes\/bad/);
  assert.equal((await run(["wait", "--revision", "2", "--rejected", "ignore", ...at])).code, 0);

  const config = join(gateway.prefix, "conf", "config.yaml");
  assert.equal((await run(["status", "-c", config], "/tmp")).code, 0);
  const json = await run(["status", "--json", ...at]);
  assert.equal((JSON.parse(json.out) as { ready: boolean }).ready, true);
  assert.equal((await run(["test", "-p", "."], gateway.prefix)).code, 1, "the rejected route is a mistake");
  assert.equal((await run(["reload", "-p", "."], gateway.prefix)).code, 0);
  gateway.writeStandalone({ routes: [] });
  assert.equal((await run(["test", ...at])).code, 0);
  gateway.rewriteConfig((text) => `${text}\napisix: 7\n`);
  assert.equal((await run(["reload", ...at])).code, 1, "a broken config.yaml is not sent anywhere");
  gateway.rewriteConfig((text) => text.replace("\napisix: 7\n", ""));
  assert.equal((await run(["quit", ...at])).code, 0);
  assert.equal(await gateway.exited, 0);
});

test("after stop the ports are free at once", async (t) => {
  const gateway = await startGateway(t, { standalone: { routes: [routeTo("127.0.0.1:1")] } });
  await gateway.until(200);
  assert.equal((await run(["stop", "-p", gateway.prefix])).code, 0);
  assert.equal(await open(gateway.statusPort), null);
  const again = runIn(gateway.prefix, portsOf(gateway));
  t.after(() => again.close());
  await again.until(200);
  assert.equal(await gateway.exited, 0);
});

test("a pid file that a killed gateway left does not stand in the way", async (t) => {
  const gateway = await startGateway(t);
  await gateway.until(200);
  gateway.child.kill("SIGKILL");
  await gateway.exited;
  assert.equal((await run(["stop", "-p", gateway.prefix])).code, 3);
  // The number may belong to something else by now.
  writeFileSync(join(gateway.prefix, "logs", "turnpike.pid"), `${process.pid}\n`);
  assert.equal((await run(["stop", "-p", gateway.prefix])).code, 3);
  const again = runIn(gateway.prefix, portsOf(gateway));
  t.after(() => again.close());
  await again.until(200);
});

const brokenConfig = `apisix:
  node_listen: "9080x"
  status:
    ip: localhost
    port: 70000
  control:
    port: true
  shutdown_delay: soon
  delete_uri_tail_slash: 3
nginx_config:
  worker_processes: many
  error_log_level: loud
  worker_shutdown_timeout: [1]
deployment:
  role: data_plane
  role_data_plane:
    config_provider: xml
`;
const configMistakes: readonly [line: number, field: string][] = [
  [2, "apisix.node_listen"],
  [4, "apisix.status.ip"],
  [5, "apisix.status.port"],
  [7, "apisix.control.port"],
  [8, "apisix.shutdown_delay"],
  [9, "apisix.delete_uri_tail_slash"],
  [11, "nginx_config.worker_processes"],
  [12, "nginx_config.error_log_level"],
  [13, "nginx_config.worker_shutdown_timeout"],
  [17, "deployment.role_data_plane.config_provider"],
];

const brokenStandalone = `routes:
  - id: a
    uri: 7
  - id: b
    uri: /b
    methods: [FETCH]
  - id: c
    uri: /c
    upstream_id: nowhere
  - id: d
    uri: /d
    plugins:
      key-auht: {}
  - id: e
    uri: /e
    plugins:
      request-id: {algorithm: dice}
upstreams:
  - id: f
    type: roundrobin
    nodes: {"127.0.0.1:99999": 1}
  - id: g
    type: roundrobin
    nodes: {"127.0.0.1:80": -1}
services:
  - id: h
    hosts: here
consumers:
  - plugins: {}
rutes: []
#END
`;
const standaloneMistakes: readonly [line: number, field: RegExp][] = [
  [3, /uri/],
  [6, /methods/],
  [9, /upstream_id/],
  [13, /key-auht/],
  [17, /request-id.*algorithm/],
  [21, /nodes/],
  [24, /nodes/],
  [27, /hosts/],
  [29, /username/],
  [30, /rutes/],
];

test("test names ten mistakes of config.yaml and ten of apisix.yaml with file, line and field", async (t) => {
  const prefix = prefixWith(t, { "config.yaml": brokenConfig, "apisix.yaml": brokenStandalone });
  const { code, err } = await run(["test"], prefix);
  assert.equal(code, 1);
  const lines = err.split("\n");
  for (const [line, field] of configMistakes) {
    const found = lines.filter((text) => text.startsWith(`conf/config.yaml:${line}: `) && text.includes(field));
    assert.equal(found.length, 1, `config.yaml:${line} ${field}\n${err}`);
  }
  for (const [line, field] of standaloneMistakes) {
    const found = lines.filter((text) => text.startsWith(`conf/apisix.yaml:${line}: `) && field.test(text));
    assert.equal(found.length, 1, `apisix.yaml:${line} ${String(field)}\n${err}`);
  }
  const good = prefixWith(t, {
    "config.yaml": "deployment: {role: data_plane, role_data_plane: {config_provider: yaml}}\n",
    "apisix.yaml": "routes: []\n#END\n",
  });
  const fine = await run(["test", "-p", good]);
  assert.equal(fine.code, 0, fine.err);
  const alone = prefixWith(t, { "config.yaml": "nginx_config: {error_log_level: loud}\n" });
  assert.match((await run(["test"], alone)).err, /^conf\/config\.yaml:1: [^\n]+\nturnpike: 1 mistake\n$/);
  const other = await run(["test", "-p", good, "--standalone", join(prefix, "conf", "apisix.yaml")], good);
  assert.equal(other.code, 1);
  assert.match(other.err, new RegExp(`^${prefix}/conf/apisix.yaml:3: `, "m"));
});

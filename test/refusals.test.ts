import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { loadSettings } from "../src/settings/load.ts";
import { formatFinding } from "../src/settings/settings.ts";
import { full } from "./support/extent.ts";
import { type GatewayOptions, makePrefix, runIn } from "./support/gateway.ts";
import { freePort } from "./support/ports.ts";

// What a start is refused for, in `apisix.status` and around its port.

type Ports = readonly [http: number, status: number, control: number];

/** Starts with these options and waits for the end; answers with the exit code and the lines printed. */
async function refused(t: TestContext, options: (ports: Ports) => GatewayOptions): Promise<[number | null, string[]]> {
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const prefix = makePrefix(ports, options(ports));
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  const gateway = runIn(prefix, ports);
  const code = await gateway.exited;
  return [code, gateway.output.trimEnd().split("\n")];
}

const wrong: readonly [status: unknown, expected: RegExp][] = [
  [{ ip: "localhost", port: 7085 }, /apisix\.status\.ip: found "localhost", expected .*address/],
  [{ ip: "[127.0.0.1]", port: 7085 }, /apisix\.status\.ip: found "\[127\.0\.0\.1\]", expected/],
  [{ ip: 7, port: 7085 }, /apisix\.status\.ip: found 7, expected/],
  [{ port: 0 }, /apisix\.status\.port: found 0, expected .*65535/],
  [{ port: 65_536 }, /apisix\.status\.port: found 65536, expected .*65535/],
  [{ port: "7085x" }, /apisix\.status\.port: found "7085x", expected/],
  [{ port: 7085.5 }, /apisix\.status\.port: found 7085\.5, expected/],
  [true, /apisix\.status: found true, expected/],
  ["on", /apisix\.status: found "on", expected/],
  [[7085], /apisix\.status: found .*, expected/],
  [{ allow_details: ["10.0.0.0/33"] }, /apisix\.status\.allow_details\[0\]: found "10\.0\.0\.0\/33", expected/],
  [{ allow_hosts: ["status.example.com:7085"] }, /apisix\.status\.allow_hosts\[0\]: found .*, expected a host name/],
  [{ unresponsive_after: "soon" }, /apisix\.status\.unresponsive_after: found "soon", expected/],
];

test("wrong types, ports and addresses: one line with key, value and expectation, exit 1", async (t) => {
  for (const [row, [status, expected]] of wrong.entries()) {
    // What the command prints of all of them, and some of them through the command.
    const prefix = makePrefix([1, 2, 3], { config: { apisix: { status: status as object } } });
    t.after(() => rmSync(prefix, { recursive: true, force: true }));
    const { settings, findings } = loadSettings({ prefix });
    assert.deepEqual([settings, findings.length], [null, 1], JSON.stringify(status));
    assert.match(formatFinding(findings[0]!), expected);
    if (!full && row % 4 !== 0) continue;
    const [code, lines] = await refused(t, () => ({ config: { apisix: { status: status as object } } }));
    assert.equal(code, 1, JSON.stringify(status));
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0]!, expected);
    assert.match(lines[0]!, /config\.yaml:\d+/);
  }
});

test("a port that another listener of this configuration has: named, exit 1", async (t) => {
  const conflicts: readonly [string, (ports: Ports) => GatewayOptions][] = [
    ["control", ([, , control]) => ({ status: { port: control } })],
    ["http listen", ([http]) => ({ status: { port: http } })],
    ["http listen", ([http]) => ({ status: { ip: "0.0.0.0", port: http } })],
    [
      "https listen",
      ([, status]) => ({ config: { apisix: { ssl: { enable: true, listen: [{ ip: "127.0.0.1", port: status }] } } } }),
    ],
    [
      "prometheus",
      ([, status]) => ({
        config: {
          plugins: ["prometheus"],
          plugin_attr: { prometheus: { export_addr: { ip: "127.0.0.1", port: status } } },
        },
      }),
    ],
    [
      "admin",
      ([, status]) => ({
        config: {
          deployment: {
            role: "traditional",
            role_traditional: { config_provider: "yaml" },
            admin: { admin_listen: { ip: "0.0.0.0", port: status } },
          },
        },
      }),
    ],
  ];
  // src/settings/values.test.ts has each of them.
  for (const [other, options] of full ? conflicts : conflicts.slice(0, 2)) {
    let port = 0;
    const [code, lines] = await refused(t, (ports) => {
      const made = options(ports);
      port = (made.status as { port?: number } | undefined)?.port ?? ports[1];
      return made;
    });
    assert.equal(code, 1, other);
    const found = lines.filter((line) => line.includes(`status port ${port} conflicts with ${other} port`));
    assert.equal(found.length, 1, lines.join("\n"));
  }
});

test("a port that another program holds, on an overlapping address: refused, exit 1", async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen({ host: "0.0.0.0", port: 0 }, resolve));
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  const [code, lines] = await refused(t, () => ({ status: { port } }));
  assert.equal(code, 1);
  assert.deepEqual(lines, [
    `turnpike: not started: status 127.0.0.1:${port}: the address is already in use by another program`,
  ]);
});

test("a key written twice: the last one wins, the warning names it and both lines", async (t) => {
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const prefix = makePrefix(ports);
  const gateway = runIn(prefix, ports);
  t.after(() => gateway.close());
  await gateway.until(200);
  gateway.rewriteConfig((text) => text.replace(/^( *)port: (\d+)$/m, "$1port: 1\n$1port: $2"));
  gateway.child.kill("SIGTERM");
  await gateway.exited;
  const again = runIn(prefix, ports);
  t.after(() => again.close());
  await again.until(200);
  assert.match(
    again.output,
    /config\.yaml:\d+: .*apisix\.\S*port: written twice, in lines \d+ and \d+; the last one wins/,
  );
});

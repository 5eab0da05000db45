import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Gateway, turnpike } from "./support/gateway.ts";
import { blocksOf } from "./support/guide.ts";
import { open } from "./support/load.ts";
import { freePort } from "./support/ports.ts";

// The README's promises, its own text run as it stands; only the ports are others.

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

test("a first route in a minute: every command as the README has it", async (t) => {
  const [originBlock = "", write = "", useBlock = "", askBlock = ""] = blocksOf(
    "README.md",
    "A first route in a minute",
  ).map(({ text }) => text);
  const [server = "", curl = ""] = originBlock.trim().split("\n");
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
  const originPort = await freePort();
  const adapt = (text: string): string =>
    [
      ["8000", originPort],
      ["9080", ports[0]],
      ["7085", ports[1]],
      ["9090", ports[2]],
      ["9180", ports[3]],
    ].reduce<string>((done, [from, to]) => done.replaceAll(new RegExp(`\\b${from}\\b`, "g"), String(to)), text);

  // A prefix that looks like the clone: its conf/ with other ports, its bin/.
  const prefix = mkdtempSync(join(tmpdir(), "turnpike-test-"));
  cpSync(join(root, "conf"), join(prefix, "conf"), { recursive: true });
  symlinkSync(join(root, "bin"), join(prefix, "bin"));
  const config = adapt(readFileSync(join(prefix, "conf/config.yaml"), "utf8"));
  const control = `apisix:\n  control: {ip: 127.0.0.1, port: ${ports[2]}}\n`;
  const admin = `deployment:\n  admin: {admin_listen: {port: ${ports[3]}}}\n`;
  const ported = config.replace(/^apisix:\n/m, control).replace(/^deployment:\n/m, admin);
  const metrics = `plugin_attr: {prometheus: {export_addr: {port: ${await freePort()}}}}\n`;
  writeFileSync(join(prefix, "conf/config.yaml"), ported + metrics);
  const example = join(prefix, "conf/example.yaml");
  writeFileSync(example, adapt(readFileSync(example, "utf8")));
  const sh = async (command: string): Promise<string> =>
    (await run("sh", ["-c", adapt(command)], { cwd: prefix, timeout: 120_000 })).stdout;

  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: { start: string } };
  const child = spawn("sh", ["-c", `exec ${scripts.start}`], { cwd: prefix, stdio: ["ignore", "pipe", "pipe"] });
  const gateway = new Gateway(prefix, ports, child);
  t.after(() => gateway.close());
  const origin = spawn("sh", ["-c", `exec ${adapt(server).replace(/ &$/, "")}`], { cwd: prefix, stdio: "ignore" });
  const originEnded = once(origin, "exit");
  t.after(async () => {
    origin.kill("SIGKILL");
    await originEnded;
  });
  await gateway.until(200);
  await untilOpen(originPort);

  assert.match(await sh(curl), /^HTTP\/1\.[01] 200 .*Directory listing/s);
  const [wait = "", useRoute = ""] = useBlock.trim().split("\n");
  const [, awaited] = /--revision (\d+)/.exec(wait) ?? [];
  assert.equal((await sh(write)).trim().toLowerCase(), `x-turnpike-revision: ${awaited}`);
  await sh(wait);
  assert.match(await sh(useRoute), /^HTTP\/1\.[01] 200 .*Directory listing/s);

  const [status = "", ...details] = askBlock.trim().split("\n");
  assert.match(await sh(status), /ready/);
  for (const detail of details) assert.equal(typeof JSON.parse(await sh(detail)), "object", detail);
});

test("the command runs from any directory and through links", async (t) => {
  const place = mkdtempSync(join(tmpdir(), "turnpike-test-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  mkdirSync(join(place, "bin"));
  symlinkSync(turnpike, join(place, "bin", "one"));
  symlinkSync("one", join(place, "bin", "two"));
  symlinkSync(dirname(turnpike), join(place, "linked"));
  const { stdout } = await run(turnpike, ["version"], { cwd: "/" });
  assert.match(stdout, /\d+\.\d+\.\d+/);
  for (const command of ["./bin/one", "./bin/two", "./linked/turnpike"]) {
    assert.equal((await run(command, ["version"], { cwd: place })).stdout, stdout, command);
  }
});

async function untilOpen(port: number): Promise<void> {
  for (;;) {
    const socket = await open(port);
    if (socket !== null) {
      socket.destroy();
      return;
    }
    await setTimeout(10);
  }
}

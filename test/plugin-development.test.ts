import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Gateway, turnpike } from "./support/gateway.ts";
import { freePort } from "./support/ports.ts";

// The first section of docs/plugin-development.md, its blocks in order as they stand; only the ports are others.

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

interface Block {
  readonly language: string;
  readonly text: string;
  /** The file that the paragraph before it names last. */
  readonly file: string;
}

function blocksOf(page: string, heading: string): readonly Block[] {
  const text = readFileSync(join(root, page), "utf8");
  const section = text.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return Array.from(
    section.matchAll(/([^\n]*)\n\n```(\w+)\n(.*?)```/gs),
    ([, before = "", language = "", body = ""]) => ({
      language,
      text: body,
      file: [...before.matchAll(/`([\w./-]+\/[\w.-]+)`/g)].at(-1)?.[1] ?? "",
    }),
  );
}

test("a plugin from scratch: every block as docs/plugin-development.md has it", async (t) => {
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
  const [http, status, control, admin] = ports;
  const adapt = (text: string): string =>
    [
      ["9080", http],
      ["7085", status],
      ["9180", admin],
    ].reduce<string>((done, [from, to]) => done.replaceAll(new RegExp(`\\b${from}\\b`, "g"), String(to)), text);
  const prefix = mkdtempSync(join(tmpdir(), "turnpike-test-"));
  const bin = [dirname(turnpike), join(root, "node_modules/.bin"), process.env.PATH].join(delimiter);
  // Else a test runner within a test runner runs nothing.
  const env = { ...process.env, PATH: bin, NODE_TEST_CONTEXT: undefined };
  let gateway: Gateway | null = null;

  /** Runs a block, but for the line that starts the gateway. */
  async function shell(text: string): Promise<string> {
    const [before = "", after] = text.split("turnpike start &\n");
    let output = before === "" ? "" : await sh(before);
    if (after !== undefined) {
      const child = spawn("turnpike", ["start"], { cwd: prefix, env, stdio: ["ignore", "pipe", "pipe"] });
      gateway = new Gateway(prefix, ports, child);
      await gateway.until(200);
      output += await sh(after);
    }
    return output;
  }
  async function sh(text: string): Promise<string> {
    const { stdout, stderr } = await run("sh", ["-e", "-c", adapt(text)], { cwd: prefix, env, timeout: 60_000 });
    return stdout + stderr;
  }
  t.after(async () => {
    await gateway?.close();
    rmSync(prefix, { recursive: true, force: true });
  });

  let output = "";
  const blocks = blocksOf("docs/plugin-development.md", "Ten minutes");
  assert.deepEqual(new Set(blocks.map(({ language }) => language)), new Set(["sh", "text", "yaml", "ts"]));
  for (const { language, text, file } of blocks) {
    if (language === "sh") output = await shell(text);
    else if (language === "text") {
      for (const line of text.trimEnd().split("\n")) assert.ok(output.includes(line), `${line} is not in:\n${output}`);
    } else {
      mkdirSync(dirname(join(prefix, file)), { recursive: true });
      writeFileSync(join(prefix, file), language === "yaml" ? withPorts(text, { http, status, control, admin }) : text);
    }
  }
  const { stdout } = await run("tsc", ["-p", "plugins"], { cwd: prefix, env }).catch(
    (error: { stdout: string }) => error,
  );
  assert.match(stdout, /^plugins\/greeting\.ts\(24,\d+\): error/, "the only mistake is the one that the page makes");
});

/** The page's config.yaml on other ports. */
function withPorts(text: string, { http, status, control, admin }: Record<string, number>): string {
  const apisix = `apisix:
  node_listen: [{ip: 127.0.0.1, port: ${http}}]
  status: {port: ${status}}
  control: {port: ${control}}
  ssl: {enable: false}
`;
  const listen = `  admin:\n    admin_listen: {ip: 127.0.0.1, port: ${admin}}\n`;
  return text.replace("apisix:\n", apisix).replace("  admin:\n", listen);
}

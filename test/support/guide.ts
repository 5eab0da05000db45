import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "node:test";
import { parse, stringify } from "yaml";
import { turnpike } from "./gateway.ts";
import { freePort } from "./ports.ts";

// Pages are followed from top to bottom, as a reader with a terminal would. In a page
//   ```sh       is typed into one shell; it ends at the first command that fails
//   ```text     lines that the block before it has printed, in this order; `…` stands for anything
//   ```console  is shown and not run
//   others      are written to the file that the paragraph before them names last, a path with a
//               slash in backticks; without one they are returned.
// Ports are other ones, so that tests can run side by side.

const root = fileURLToPath(new URL("../..", import.meta.url));
const LIMIT_MS = 180_000;

/** The ports that pages may name. */
const pagePorts = [2379, 2380, 7085, 7086, 8000, 9080, 9081, 9090, 9091, 9092, 9180, 9181, 9443] as const;

export interface Block {
  readonly language: string;
  readonly text: string;
  /** The file that the paragraph before it names last; empty without one. */
  readonly file: string;
}

/** The code blocks of a page, or of one section of it, in order. */
export function blocksOf(page: string, heading?: string): readonly Block[] {
  const whole = readFileSync(join(root, page), "utf8");
  const text = heading === undefined ? whole : (whole.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "");
  const blocks = Array.from(
    text.matchAll(/([^\n]*)\n\n```(\w+)\n(.*?)```/gs),
    ([, before = "", language = "", body = ""]) => ({
      language,
      text: body,
      file: [...before.matchAll(/`([\w./-]+\/[\w.-]+)`/g)].at(-1)?.[1] ?? "",
    }),
  );
  assert.equal(blocks.length * 2, text.match(/^ *```/gm)?.length, `${page}: a code block is not read`);
  assert.ok(blocks.length > 0, `${page} has no code block`);
  return blocks;
}

/** A page that was followed. */
export interface Followed {
  readonly directory: string;
  /** The port that stands for the one on the page. */
  readonly port: (shown: (typeof pagePorts)[number]) => number;
  /** Blocks that belong to no file and were not run. */
  readonly others: readonly Block[];
  /** Types more into the shell; resolves with what is printed. */
  readonly run: (text: string) => Promise<string>;
}

/** Follows a page in a directory of its own. What it starts is ended, and its files removed, after the test. */
export async function followPage(t: TestContext, page: string, heading?: string): Promise<Followed> {
  const ports = new Map<number, number>();
  for (const shown of pagePorts) ports.set(shown, await freePort());
  const port: Followed["port"] = (shown) => ports.get(shown)!;
  const adapt = (text: string): string =>
    text.replaceAll(/\b\d{4}\b/g, (digits) => String(ports.get(Number(digits)) ?? digits));
  const directory = mkdtempSync(join(tmpdir(), "turnpike-test-"));
  const shell = new Shell(directory);
  t.after(async () => {
    await shell.close();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });

  const others: Block[] = [];
  let output = "";
  for (const block of blocksOf(page, heading)) {
    const { language, file } = block;
    const text = adapt(block.text);
    if (language === "sh") output = await shell.run(text);
    else if (language === "text") assertPrinted(output, text);
    else if (file !== "") writePageFile(join(directory, file), withPorts(file, text, port));
    else if (language !== "console") others.push(block);
  }
  return { directory, port, others, run: async (text) => await shell.run(adapt(text)) };
}

/** The lines must have been printed in this order; others may stand between them. */
function assertPrinted(output: string, expected: string): void {
  let at = 0;
  for (const line of expected.trimEnd().split("\n")) {
    const pieces = line.split("…").map((piece) => piece.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
    const found = new RegExp(pieces.join(".*"), "u").exec(output.slice(at));
    assert.ok(found !== null, `"${line}" was not printed, or not in this place, but:\n${output}`);
    at += found.index + found[0].length;
  }
}

function writePageFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  if (text.startsWith("#!")) chmodSync(path, 0o755);
}

/** A config.yaml with ports of the test where the page leaves those of the defaults. */
function withPorts(file: string, text: string, port: Followed["port"]): string {
  if (basename(file) !== "config.yaml") return text;
  const written = parse(text, { version: "1.1" }) as Record<string, Record<string, unknown> | undefined>;
  const admin = { admin_listen: { port: port(9180) } };
  const defaults = {
    apisix: {
      node_listen: [{ ip: "127.0.0.1", port: port(9080) }],
      status: { port: port(7085) },
      control: { port: port(9090) },
      ssl: { enable: false },
    },
    nginx_config: { worker_processes: 2 },
    deployment: written.deployment?.role === "data_plane" ? {} : { admin },
    plugin_attr: { prometheus: { export_addr: { port: port(9091) } } },
  };
  return stringify(merge(defaults, written), { version: "1.1" });
}

function merge(under: unknown, over: unknown): unknown {
  const isMapping = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  if (over === undefined) return under;
  if (!isMapping(under) || !isMapping(over)) return over;
  const names = new Set([...Object.keys(under), ...Object.keys(over)]);
  return Object.fromEntries([...names].map((name) => [name, merge(under[name], over[name])]));
}

/** One shell for a whole page, so that variables and background jobs stay from block to block. */
class Shell {
  readonly #child: ChildProcess;
  readonly #blocks = mkdtempSync(join(tmpdir(), "turnpike-blocks-"));
  readonly #exited: Promise<unknown>;
  #output = "";
  #count = 0;
  #wake: () => void = () => {};

  constructor(directory: string) {
    const path = [dirname(turnpike), join(root, "node_modules/.bin"), process.env.PATH].join(delimiter);
    // With the variable a test runner within a test runner runs nothing.
    const env = { ...process.env, PATH: path, NODE_TEST_CONTEXT: undefined };
    // A process group of its own, so that its background jobs end with it.
    this.#child = spawn("sh", [], { cwd: directory, env, detached: true, stdio: ["pipe", "pipe", "pipe"] });
    this.#exited = once(this.#child, "exit").finally(() => this.#wake());
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk) => {
        this.#output += String(chunk);
        this.#wake();
      });
    }
    this.#child.stdin?.on("error", () => {});
    this.#child.stdin?.write("exec 2>&1\nset -e\n");
  }

  /** Resolves with what is printed until the block has ended; fails with it where a command does. */
  async run(text: string): Promise<string> {
    const name = `block-${++this.#count}`;
    const file = join(this.#blocks, name);
    const end = `--- ${name} has ended\n`;
    writeFileSync(file, text);
    const from = this.#output.length;
    // Nothing may read what is typed next.
    this.#child.stdin?.write(`. ${file} </dev/null\necho '${end.trim()}'\n`);
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const at = this.#output.indexOf(end, from);
      if (at !== -1) return this.#output.slice(from, at);
      const printed = this.#output.slice(from);
      if (this.#child.exitCode !== null) throw new Error(`a command of this block fails:\n${text}\n---\n${printed}`);
      if (Date.now() > deadline) throw new Error(`this block does not end:\n${text}\n---\n${printed}`);
      await this.#change();
    }
  }

  /** Resolves at the next output, at the exit, and after a second at the latest. */
  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 1000);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async close(): Promise<void> {
    try {
      process.kill(-this.#child.pid!, "SIGKILL");
    } catch {
      // The shell and all that it started have ended.
    }
    await this.#exited;
    rmSync(this.#blocks, { recursive: true, force: true });
  }
}

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { times } from "../../../test/support/extent.ts";
import { createEmbeddedStore } from "./embedded-store.ts";

/** Kills, in all; each store lives through its share of them. */
const KILLS = times(200, 60);
const STORES = 4;
/** A process is killed at a random moment up to this long after it has opened its store. */
const LIFE_MS = 60;

const program = fileURLToPath(new URL("kill-writer.ts", import.meta.url));
const storeModule = new URL("embedded-store.ts", import.meta.url).href;
const run = promisify(execFile);

/** An environment in which a process that is killed need not compile what it loads. */
async function compiled(root: string): Promise<NodeJS.ProcessEnv> {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(root, "cache") };
  await run(process.execPath, ["--input-type=module", "-e", `await import(${JSON.stringify(storeModule)})`], { env });
  return env;
}

/** What is known of a key from what the processes printed. */
interface Known {
  /** Its number as acknowledged last; 0: deleted or never written. */
  acknowledged: number;
  /** Numbers that were asked for since, of which no answer was seen. */
  unanswered: number[];
}

/** What one store should hold after any number of kills. */
class Witness {
  readonly keys = new Map<string, Known>();
  revision = 1;
  acknowledged = 0;
  next = 1;

  read(output: string): void {
    // The last line may be cut.
    for (const line of output.split("\n").slice(0, -1)) {
      const [sign, key = "", number, revision] = line.split(" ");
      if (sign === "?") this.#ask(key, Number(number));
      else if (sign === "!") this.#acknowledge(key, Number(number), Number(revision));
    }
  }

  #ask(key: string, number: number): void {
    const known = this.keys.get(key) ?? { acknowledged: 0, unanswered: [] };
    known.unanswered.push(number);
    this.keys.set(key, known);
    this.next = Math.max(this.next, number + 1);
  }

  #acknowledge(key: string, number: number, revision: number): void {
    const known = this.keys.get(key) ?? assert.fail("acknowledged before it was asked for");
    known.acknowledged = number;
    known.unanswered = known.unanswered.slice(known.unanswered.indexOf(number) + 1);
    if (number !== 0) assert.ok(revision > this.revision, `revision ${revision} after ${this.revision}`);
    this.revision = Math.max(this.revision, revision);
    this.acknowledged++;
  }

  /** What is stored is what was acknowledged last, or something asked for after it. */
  compare(stored: ReadonlyMap<string, number>): void {
    for (const key of stored.keys()) assert.ok(this.keys.has(key), `${key} was never written`);
    for (const [key, known] of this.keys) {
      const number = stored.get(key) ?? 0;
      const possible = [known.acknowledged, ...known.unanswered];
      assert.ok(possible.includes(number), `${key} is ${number}, possible: ${possible.join()}`);
      this.keys.set(key, { acknowledged: number, unanswered: [] });
    }
  }
}

async function killOnce(file: string, witness: Witness, env: NodeJS.ProcessEnv): Promise<void> {
  const args = [program, file, String(witness.next)];
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
  });
  const closed = once(child, "close");
  await once(child.stdout, "data");
  await setTimeout(Math.random() * LIFE_MS);
  child.kill("SIGKILL");
  const [, signal] = (await closed) as [number | null, string | null];
  assert.equal(signal, "SIGKILL", output);
  witness.read(output);
}

async function examine(file: string, witness: Witness): Promise<void> {
  const store = createEmbeddedStore(file);
  try {
    store.open();
    const { revision, values } = await store.list("");
    assert.ok(revision >= witness.revision, `revision ${revision}, acknowledged ${witness.revision}`);
    witness.revision = revision;
    witness.compare(new Map(values.map(({ key, text }) => [key, (JSON.parse(text) as { number: number }).number])));
    for (const value of values) assert.ok(value.createRevision <= value.modRevision && value.modRevision <= revision);
  } finally {
    store.close();
  }
  const db = new DatabaseSync(file, { readOnly: true });
  const [first] = db.prepare("PRAGMA integrity_check").all();
  db.close();
  assert.equal(first?.["integrity_check"], "ok");
}

test(`kill -9 at ${KILLS} random moments: every acknowledged write is there, the file is sound`, async (t) => {
  const root = mkdtempSync(join(tmpdir(), "turnpike-kill-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const env = await compiled(root);
  const witnesses = await Promise.all(
    Array.from({ length: STORES }, async (_, index) => {
      const file = join(root, `${index}.db`);
      const witness = new Witness();
      for (let kill = 0; kill < KILLS / STORES; kill++) {
        await killOnce(file, witness, env);
        await examine(file, witness);
      }
      return witness;
    }),
  );
  const acknowledged = witnesses.reduce((sum, witness) => sum + witness.acknowledged, 0);
  assert.ok(acknowledged > 0, "no write was acknowledged");
  t.diagnostic(`${acknowledged} acknowledged writes`);
});

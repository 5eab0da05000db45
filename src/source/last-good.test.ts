import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import type { EtcdSettings } from "../settings/settings.ts";
import { createLastGoodFile, identityOf, type LastGood, type LastGoodFile } from "./last-good.ts";

const identity = "etcd /apisix http://127.0.0.1:2379";

function fileFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-last-good-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "data", "last-good");
}

function keeper(file: string, source = identity): { readonly kept: LastGoodFile; readonly warnings: string[] } {
  const warnings: string[] = [];
  return { kept: createLastGoodFile(file, source, (line) => warnings.push(line)), warnings };
}

const entries = (count: number, revision = count): LastGood => ({
  revision,
  at: 1_700_000_000_000,
  content: { entries: Array.from({ length: count }, (_, i) => ({ key: `routes/${i}`, text: `{"desc":"é\\n${i}"}` })) },
});

async function save(file: string, content: LastGood): Promise<void> {
  const { kept, warnings } = keeper(file);
  kept.save(() => content);
  await kept.close();
  assert.deepEqual(warnings, []);
}

test("what was saved is loaded: entries, documents, nothing; the file is private", async (t) => {
  const file = fileFor(t);
  assert.equal(keeper(file).kept.load(), null);
  const resources = {
    routes: [{ value: { id: "1", uri: "/a\n" }, line: 3 }],
    upstreams: [],
    plugins: [{ value: { name: "key-auth" }, line: 0 }],
  };
  const document = { revision: 4, at: 5, content: { document: { resources } } };
  for (const content of [entries(1_234), entries(0, 7), document]) {
    await save(file, content);
    assert.equal(JSON.stringify(keeper(file).kept.load()), JSON.stringify(content));
    assert.equal(statSync(file).mode & 0o777, 0o600);
  }
  assert.equal(existsSync(`${file}.new`), false);
});

test("a damaged file, one of another source or of a later format is not used, and why is said", async (t) => {
  const file = fileFor(t);
  await save(file, entries(20));
  const whole = readFileSync(file, "utf8");
  const damages = [
    "",
    "\n",
    whole.slice(0, -1),
    whole.slice(0, 300),
    whole.replace("routes/7", "routes/8"),
    `x${whole}`,
  ];
  for (const damage of [...damages, whole.repeat(2), "{}"]) {
    writeFileSync(file, damage);
    const { kept, warnings } = keeper(file);
    assert.equal(kept.load(), null);
    assert.match(warnings.join(), /last-good: the last good configuration is not used: the file is damaged/);
  }
  writeFileSync(file, whole);
  const other = keeper(file, "etcd /other http://127.0.0.1:2379");
  assert.equal(other.kept.load(), null);
  assert.match(other.warnings.join(), /it is that of another source/);
  assert.notEqual(keeper(file).kept.load(), null);
});

test("many changes are few writes, the last one counts", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const file = fileFor(t);
  const { kept } = keeper(file);
  let built = 0;
  for (let revision = 1; revision <= 100; revision++) {
    kept.save(() => {
      built++;
      return entries(3, revision);
    });
  }
  t.mock.timers.tick(0);
  await kept.close();
  assert.equal(built, 1);
  assert.equal(keeper(file).kept.load()?.revision, 100);
});

test("what cannot be written is said", async (t) => {
  const directory = fileFor(t);
  mkdirSync(dirname(directory));
  writeFileSync(directory, "no directory");
  const file = join(directory, "last-good");
  const { kept, warnings } = keeper(file);
  kept.save(() => entries(1));
  await kept.close();
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /cannot be kept/);
});

test("the identity of a source: its file, or etcd's hosts in any order and its prefix", () => {
  const etcd = {
    prefix: "/apisix",
    hosts: ["http://b:1", "http://a:1"],
    password: "hidden",
  } as unknown as EtcdSettings;
  assert.equal(identityOf({ kind: "etcd", etcd }), "etcd /apisix http://a:1 http://b:1");
  assert.equal(identityOf({ kind: "yaml", file: "/p/conf/apisix.yaml" }), "yaml /p/conf/apisix.yaml");
  assert.equal(identityOf({ kind: "api" }), "api");
});

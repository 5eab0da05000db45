import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createJsonFileSource } from "./json-file.ts";
import type { SourceDocument } from "./source.ts";
import { createYamlFileSource } from "./yaml-file.ts";

type Event = { readonly document: SourceDocument } | { readonly failed: string };

/** What a source delivers, to be awaited in order. */
class Deliveries {
  readonly #events: Event[] = [];
  readonly #waiting: ((event: Event) => void)[] = [];

  push(event: Event): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#events.push(event);
    else next(event);
  }

  async next(): Promise<Event> {
    const event = this.#events.shift();
    return event ?? (await new Promise<Event>((resolve) => this.#waiting.push(resolve)));
  }

  /** The ids of the routes that come next. */
  async ids(): Promise<unknown[]> {
    const event = await this.next();
    assert.ok("document" in event, `failed: ${JSON.stringify(event)}`);
    return (event.document.resources.routes ?? []).map(({ value }) => (value as { id: unknown }).id);
  }

  async failure(): Promise<string> {
    const event = await this.next();
    assert.ok("failed" in event);
    return event.failed;
  }

  get pending(): number {
    return this.#events.length;
  }
}

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "turnpike-source-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function follow(t: TestContext, file: string): Deliveries {
  const deliveries = new Deliveries();
  const source = file.endsWith(".json") ? createJsonFileSource(file) : createYamlFileSource(file);
  source.start({
    document: (document) => deliveries.push({ document }),
    snapshot: () => assert.fail("a file has no keys"),
    step: () => assert.fail("a file has no keys"),
    failed: (failed) => deliveries.push({ failed }),
    recovered: () => assert.fail("a file that can be read again is a document"),
  });
  t.after(() => source.close());
  return deliveries;
}

const yaml = (...ids: string[]): string =>
  `routes:\n${ids.map((id) => `  - id: ${id}\n    uri: /${id}\n`).join("")}#END\n`;

test("written in place, replaced by rename, truncated, gone and back", async (t) => {
  const file = join(directory(t), "apisix.yaml");
  writeFileSync(file, yaml("a"));
  const deliveries = follow(t, file);
  assert.deepEqual(await deliveries.ids(), ["a"]);
  writeFileSync(file, yaml("b", "c"));
  assert.deepEqual(await deliveries.ids(), ["b", "c"]);
  writeFileSync(`${file}.new`, yaml("d"));
  renameSync(`${file}.new`, file);
  assert.deepEqual(await deliveries.ids(), ["d"]);
  truncateSync(file);
  assert.equal(await deliveries.failure(), `${file}: not loaded: the line #END is missing at its end`);
  unlinkSync(file);
  assert.equal(await deliveries.failure(), `${file}: no such file`);
  writeFileSync(file, yaml("d"));
  assert.deepEqual(await deliveries.ids(), ["d"]);
  assert.equal(deliveries.pending, 0);
});

test("absent at first, its directory too", async (t) => {
  const conf = join(directory(t), "conf");
  const file = join(conf, "apisix.yaml");
  const deliveries = follow(t, file);
  assert.equal(await deliveries.failure(), `${file}: no such file`);
  mkdirSync(conf);
  writeFileSync(file, yaml("a"));
  assert.deepEqual(await deliveries.ids(), ["a"]);
});

test("symbolic links are swapped, as for a ConfigMap", async (t) => {
  const root = directory(t);
  for (const [name, id] of [
    ["1", "a"],
    ["2", "b"],
  ] as const) {
    mkdirSync(join(root, name));
    writeFileSync(join(root, name, "apisix.yaml"), yaml(id));
  }
  symlinkSync("1", join(root, "..data"));
  symlinkSync(join("..data", "apisix.yaml"), join(root, "apisix.yaml"));
  const deliveries = follow(t, join(root, "apisix.yaml"));
  assert.deepEqual(await deliveries.ids(), ["a"]);
  symlinkSync("2", join(root, "..data_tmp"));
  renameSync(join(root, "..data_tmp"), join(root, "..data"));
  assert.deepEqual(await deliveries.ids(), ["b"]);
});

test("a half-written file is no failure once it is whole", async (t) => {
  const file = join(directory(t), "apisix.yaml");
  writeFileSync(file, yaml("a"));
  const deliveries = follow(t, file);
  assert.deepEqual(await deliveries.ids(), ["a"]);
  writeFileSync(file, "routes:\n  - id: b\n    uri: /b\n");
  writeFileSync(file, yaml("b"));
  assert.deepEqual(await deliveries.ids(), ["b"]);
});

test("the same content is not delivered again, the one after a failure is", async (t) => {
  const file = join(directory(t), "apisix.yaml");
  writeFileSync(file, yaml("a"));
  const deliveries = follow(t, file);
  assert.deepEqual(await deliveries.ids(), ["a"]);
  writeFileSync(`${file}.same`, yaml("a"));
  renameSync(`${file}.same`, file);
  writeFileSync(file, "routes: {}\n#END\n");
  assert.equal(await deliveries.failure(), `${file}:1: routes: expected a list, found a mapping`);
  writeFileSync(file, yaml("a"));
  assert.deepEqual(await deliveries.ids(), ["a"]);
});

test("JSON, with environment variables", async (t) => {
  const file = join(directory(t), "apisix.json");
  process.env.TURNPIKE_TEST_ID = "7";
  t.after(() => delete process.env.TURNPIKE_TEST_ID);
  writeFileSync(file, '{"routes": [{"id": "${{TURNPIKE_TEST_ID}}"}, {"id": "r-${{TURNPIKE_TEST_NONE:=x}}"}]}');
  const deliveries = follow(t, file);
  assert.deepEqual(await deliveries.ids(), [7, "r-x"]);
  writeFileSync(file, '{"routes": [\n{"id": "${{TURNPIKE_TEST_NONE}}"}]}');
  assert.equal(
    await deliveries.failure(),
    `${file}:2: routes[0].id: environment variable TURNPIKE_TEST_NONE is not set`,
  );
  writeFileSync(file, "[1]");
  assert.equal(await deliveries.failure(), `${file}: expected lists of resources by kind, found a list`);
});

test("an empty document, kinds without a list, unknown kinds", async (t) => {
  const file = join(directory(t), "apisix.yaml");
  writeFileSync(file, "#END");
  const deliveries = follow(t, file);
  assert.deepEqual(await deliveries.ids(), []);
  writeFileSync(file, "routes:\nx-anchors: {a: 1}\nroutes_conf_version: 3\nroute: {}\n#END");
  const event = await deliveries.next();
  assert.deepEqual(event, { document: { resources: { route: [] } } });
});

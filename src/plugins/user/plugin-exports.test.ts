import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest, buildResponseHead } from "../../plugin/fake-request.ts";
import { definePlugin, reply, type PluginHandlers } from "../../plugin/plugin.ts";
import { buildEnv } from "../checked-plugin.ts";
import { pluginsOf } from "./plugin-exports.ts";
import { buildTimeLimit } from "./time-limit.ts";

const good = definePlugin({
  name: "good",
  priority: 1,
  version: "0.1",
  schema: { type: "object" },
  compile: () => ({}),
});

test("every export that is a plugin is taken, once, whatever it is called", () => {
  const other = { ...good, name: "other" };
  const found = pluginsOf({ default: good, good, other, helper: () => undefined, text: "x", options: { name: "x" } });
  assert.deepEqual(
    found.map(({ name }) => name),
    ["good", "other"],
  );
});

test("what cannot be used is said with the export and the field", () => {
  const rows: readonly (readonly [exports: object, reason: RegExp])[] = [
    [{}, /exports nothing: export what definePlugin returns/],
    [{ a: 1, b: {} }, /exports a, b, none of them a plugin/],
    [{ a: { ...good, name: "key-auth" } }, /export a: the name key-auth is taken by a plugin of the gateway/],
    [{ a: { ...good, name: "a b" } }, /export a: name must be/],
    [{ a: { ...good, priority: "1" } }, /export a: priority must be a number/],
    [{ a: { ...good, compile: undefined } }, /export a: compile must be a function/],
    [{ a: { ...good, schema: { type: "array" } } }, /export a: schema must have the type "object"/],
    [{ a: { ...good, schema: { type: "object", nonsense: 1 } } }, /export a: schema: .*nonsense/],
    [{ a: { ...good, access: () => undefined } }, /export a: access belongs into what compile returns/],
    [{ a: good, b: { ...good } }, /export b: a second plugin good/],
  ];
  for (const [exports, message] of rows) {
    assert.throws(() => pluginsOf(exports as Readonly<Record<string, unknown>>), { message });
  }
});

/** Handlers as the gateway gets them. */
function guarded(handlers: unknown, warnings: string[] = []): PluginHandlers {
  const [plugin] = pluginsOf({ good: { ...good, compile: () => handlers } });
  const env = { ...buildEnv(), warn: (text: string) => void warnings.push(text) };
  return plugin?.compile({}, env) ?? assert.fail();
}

test("what compile returns is looked at", () => {
  assert.throws(() => guarded(undefined), /compile must return the handlers/);
  assert.throws(() => guarded(Promise.resolve({})), /compile must return the handlers/);
  assert.throws(() => guarded({ access: 1 }), /access is no function/);
});

test("what loops is ended, and not called for ever", () => {
  const limit = buildTimeLimit(10);
  const loop = (): never => {
    for (;;);
  };
  // With the limit of a gateway: on a busy machine even this may take longer than a hundredth of a second.
  const patient = buildTimeLimit();
  assert.equal(
    patient.call("compile", () => patient.call("checkConf", () => 1)),
    1,
  );
  for (let call = 1; call <= 3; call++) assert.throws(() => limit.call("compile", loop), /compile has not returned/);
  assert.throws(() => limit.call("dispose", () => 1), /dispose is not called: 3 calls/);
});

test("a rule that throws finds a fault", () => {
  const checkConf = (): never => assert.fail("odd");
  const [plugin] = pluginsOf({ good: { ...good, checkConf } });
  assert.match(String(plugin?.checkConf?.({}, { schemaFault: () => null, plugin: () => undefined })), /odd/);
});

test("answers are checked, at once or later", async () => {
  const ctx = buildRequest();
  const access = (result: unknown) => guarded({ access: () => result }).access?.(ctx);
  assert.equal(access(undefined), undefined);
  assert.equal(access(null), undefined);
  assert.deepEqual(access(reply(200, "ok")), { status: 200, headers: [], body: "ok" });
  assert.deepEqual(access({ status: 204 }), { status: 204, headers: [], body: "" });
  assert.deepEqual(access({ status: 200, headers: [["A", 1]] }), { status: 200, headers: [["A", "1"]], body: "" });
  assert.deepEqual(await access(Promise.resolve(reply(200))), { status: 200, headers: [], body: "" });
  for (const wrong of [true, "x", {}, { status: 99 }, { status: 200, body: {} }, { status: 200, headers: {} }]) {
    assert.throws(() => access(wrong), TypeError);
    await assert.rejects(async () => await access(Promise.resolve(wrong)), TypeError);
  }
});

test("filters must be synchronous, and a body bytes", () => {
  const ctx = buildRequest();
  const head = buildResponseHead();
  const filter = (result: unknown) =>
    guarded({ body_filter: () => result }).body_filter?.(ctx, Buffer.from("a"), false);
  assert.equal(filter("text")?.toString(), "text");
  assert.equal(filter(new Uint8Array([65]))?.toString(), "A");
  assert.throws(() => filter(undefined), /must return the bytes/);
  assert.throws(() => filter(Promise.reject(new Error("late"))), /must not be asynchronous/);
  assert.throws(() => guarded({ header_filter: async () => undefined }).header_filter?.(ctx, head), /asynchronous/);
});

test("what log and dispose reject is warned of", async () => {
  const warnings: string[] = [];
  const late = (text: string) => () => Promise.reject(new Error(text));
  const handlers = guarded({ log: late("one"), dispose: late("two") }, warnings);
  handlers.log?.(buildRequest({ route: { id: "7" } }));
  handlers.dispose?.();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, ["failed in log on route 7: one", "dispose failed: two"]);
});

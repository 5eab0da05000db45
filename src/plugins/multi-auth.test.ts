import assert from "node:assert/strict";
import { test } from "node:test";
import { buildConsumer, buildRequest } from "../plugin/fake-request.ts";
import { reply, type PluginEnv, type PluginHandlers } from "../plugin/plugin.ts";
import { validatorOf } from "../schema/validate.ts";
import { basicAuth } from "./basic-auth.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { keyAuth } from "./key-auth.ts";
import { multiAuth } from "./multi-auth.ts";

const ann = buildConsumer("ann", { username: "ann", password: "pw" });
const bob = buildConsumer("bob", { key: "bob-key" });
const disposed: string[] = [];

/** An environment with basic-auth and key-auth, and `slow`, which refuses after a while. */
function env(): PluginEnv {
  const inner = buildEnv({
    byKey: (plugin, value) => (plugin === "key-auth" ? (value === "bob-key" ? bob : undefined) : ann),
  });
  return {
    ...inner,
    compileOther(name, conf): PluginHandlers {
      const dispose = (): void => void disposed.push(name);
      if (name === "slow") return { rewrite: async () => reply(401, "slow"), dispose };
      if (name === "none") return {};
      return { ...compileChecked(name === "key-auth" ? keyAuth : basicAuth, conf, inner), dispose };
    },
  };
}

const basic = (text: string): readonly (readonly [string, string])[] => [["Authorization", `Basic ${btoa(text)}`]];
const apikey = (key: string): readonly (readonly [string, string])[] => [["apikey", key]];

test("the first plugin that recognises the consumer decides", () => {
  const { rewrite } = compileChecked(multiAuth, { auth_plugins: [{ "basic-auth": {} }, { "key-auth": {} }] }, env());
  for (const [headers, consumer] of [
    [basic("ann:pw"), ann],
    [apikey("bob-key"), bob],
    [[...basic("ann:no"), ...apikey("bob-key")], bob],
    [[...basic("ann:pw"), ...apikey("bob-key")], ann],
  ] as const) {
    const request = buildRequest({ headers });
    assert.equal(rewrite?.(request), undefined);
    assert.equal(request.consumer, consumer);
  }
  for (const headers of [[], basic("ann:no"), apikey("no")]) {
    assert.deepEqual(rewrite?.(buildRequest({ headers })), {
      status: 401,
      headers: [["WWW-Authenticate", 'apikey realm="key"']],
      body: '{"message":"Authorization Failed"}\n',
    });
  }
});

test("plugins that take their time are waited for; all are disposed of", async () => {
  const handlers = compileChecked(multiAuth, { auth_plugins: [{ slow: {}, "key-auth": {} }, { slow: {} }] }, env());
  const known = buildRequest({ headers: apikey("bob-key") });
  assert.equal(await handlers.rewrite?.(known), undefined);
  assert.equal(known.consumer, bob);
  const refused = await handlers.rewrite?.(buildRequest());
  assert.deepEqual([refused?.status, refused?.headers], [401, []]);
  disposed.length = 0;
  handlers.dispose?.();
  assert.deepEqual(disposed, ["slow", "key-auth", "slow"]);
});

test("members are checked as if they stood alone, and get their defaults", () => {
  const check = {
    plugin: (name: string) =>
      [keyAuth, basicAuth, multiAuth, { ...keyAuth, name: "other", type: undefined }].find(
        (one) => one.name === name,
      ) as typeof keyAuth | undefined,
    schemaFault: (schema: object, conf: unknown) =>
      validatorOf(schema as Record<string, unknown>).check(conf)?.message ?? null,
  };
  const say = (...members: readonly object[]): unknown => multiAuth.checkConf?.({ auth_plugins: members }, check);
  const [conf, nested] = [{}, {}];
  assert.equal(say({ "key-auth": conf }, { "basic-auth": {} }), null);
  assert.equal(say({ "multi-auth": { auth_plugins: [{ "key-auth": nested }, { "basic-auth": {} }] } }), null);
  assert.deepEqual(nested, conf);
  assert.equal((conf as { header?: string }).header, "apikey");
  assert.match(String(say({ "multi-auth": { auth_plugins: [{ nope: {} }, {}] } })), /multi-auth .*: nope plugin did/);
  assert.equal(say({ "key-auth": {} }, { nope: {} }), "nope plugin did not found");
  assert.equal(say({ other: {} }), "other plugin is not supported");
  assert.match(String(say({ "key-auth": { header: 1 } })), /^plugin key-auth check schema failed: property "header"/);
  assert.throws(() => compileChecked(multiAuth, { auth_plugins: [{ none: {} }, { none: {} }] }, env()), /none/);
});

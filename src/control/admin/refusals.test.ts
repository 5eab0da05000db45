import assert from "node:assert/strict";
import { test } from "node:test";
import { routeSchema } from "../../schema/route.ts";
import { resourceKinds } from "./resource-kinds.ts";
import { startAdmin } from "./testing.ts";

const route = { uri: "/a", upstream: { type: "roundrobin", nodes: { "127.0.0.1:1980": 1 } } };

/** One value of every type of JSON; lists and objects with something in them, as empty ones stand for each other. */
const values: Readonly<Record<string, unknown>> = {
  string: "x",
  number: 1.5,
  boolean: true,
  null: null,
  array: [1],
  object: { x: 1 },
};

/** Types that a field may have, by its schema. */
function typesOf(schema: {
  readonly type?: string;
  readonly anyOf?: readonly { readonly type?: string }[];
}): Set<string> {
  const types = schema.type === undefined ? (schema.anyOf ?? []).map(({ type }) => type) : [schema.type];
  return new Set(types.map((type) => (type === "integer" ? "number" : String(type))));
}

test("the wrong type in each field of a route: 400, the field is named, nothing is written", async (t) => {
  const admin = await startAdmin(t);
  await admin.send("PUT", "/routes/1", route);
  const before = admin.repository.revision;
  for (const [field, schema] of Object.entries(routeSchema.properties)) {
    const allowed = typesOf(schema);
    for (const [type, value] of Object.entries(values)) {
      // An integer may be a number, but not this one.
      if (allowed.has(type) && type !== "number") continue;
      const body = { ...route, [field]: value };
      const answer = await admin.send("PUT", "/routes/1", body);
      assert.equal(answer.status, 400, `${field} as ${type}`);
      // `id` differs from the one in the path before its type is looked at; times belong to the server.
      const named = field === "id" ? "wrong route id" : field;
      assert.ok(String(answer.body.error_msg).includes(named), `${field} as ${type}: ${answer.text}`);
      const patch = await admin.send("PATCH", `/routes/1/${field}`, JSON.stringify(value));
      assert.equal(patch.status, 400, `${field} patched to ${type}`);
      assert.ok(String(patch.body.error_msg).includes(named), `${field} patched to ${type}: ${patch.text}`);
    }
  }
  assert.equal(admin.repository.revision, before);
});

test("bodies that are no resource: 400 that says what came, for every kind", async (t) => {
  const admin = await startAdmin(t);
  await admin.send("PUT", "/consumers", { username: "jack" });
  const before = admin.repository.revision;
  const paths = Object.keys(resourceKinds).map((kind) => {
    if (kind === "credentials") return "/consumers/jack/credentials/1";
    if (kind === "secrets") return "/secrets/vault/1";
    return kind === "plugin_metadata" ? "/plugin_metadata/key-auth" : `/${kind}/1`;
  });
  for (const path of paths) {
    for (const [body, says] of [
      ["", /^missing configurations$/],
      ["1", /expected object, got number/],
      ['"x"', /expected object, got string/],
      ["null", /expected object, got null/],
      ["true", /expected object, got boolean/],
      ["{", /^invalid request body: line 1, column 2: /],
      ['{"a":1,}', /line 1, column 8/],
      ["{'a':1}", /line 1, column 2/],
      ['{"a":\n1} x', /line 2, column 4/],
      [`{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`, /nested deeper than 64/],
    ] as const) {
      const answer = await admin.send("PUT", path, body === "" ? undefined : body);
      assert.equal(answer.status, 400, `${path} ${body.slice(0, 20)}`);
      assert.match(String(answer.body.error_msg), says, path);
    }
  }
  const bytes = await fetch(`${admin.url}/apisix/admin/routes/1`, {
    method: "PUT",
    headers: { "X-API-KEY": "edd1c9f034335f136f87ad84b625c8f1" },
    body: new Uint8Array([0x22, 0xff, 0x22]),
  });
  assert.equal(bytes.status, 400);
  assert.equal(admin.repository.revision, before);
});

test("unknown plugins, ids that are none, methods that a kind lacks", async (t) => {
  const admin = await startAdmin(t);
  for (const [method, path, body, status, says] of [
    ["PUT", "/routes/1", { ...route, plugins: { nonsense: {} } }, 400, /unknown plugin \[nonsense\]/],
    ["PUT", "/routes/1", { ...route, nonsense: 1 }, 400, /additional properties forbidden, found nonsense/],
    ["PUT", "/routes", route, 400, /^missing route id$/],
    ["PUT", "/routes/a%20b", route, 400, /property "id"/],
    ["PUT", "/routes/a%2Fb", route, 400, /encoded slash/],
    ["PUT", "/routes/..%2F..%2Fservices%2F1", route, 404, /Unsupported resource type|the Admin API/],
    ["PUT", `/routes/${"a".repeat(65)}`, route, 400, /property "id"/],
    ["PUT", "/routes/1", { ...route, id: "2" }, 400, /^wrong route id$/],
    ["PUT", "/routes", { ...route, id: { a: 1 } }, 400, /property "id"/],
    ["POST", "/routes/1", route, 400, /^wrong route id, do not need it$/],
    ["POST", "/routes", { ...route, id: "x" }, 400, /^wrong route id, do not need it$/],
    ["POST", "/consumers", { username: "a" }, 405, /not supported `POST` method for consumer/],
    ["PATCH", "/stream_routes/1", {}, 405, /not supported `PATCH` method for stream route/],
    ["PUT", "/credentials/x", {}, 400, /below their consumer/],
    ["GET", "/credentials", undefined, 400, /below their consumer/],
    ["PUT", "/secrets/vault", { uri: "http://a", prefix: "p", token: "t" }, 400, /missing secret id/],
    ["PUT", "/secrets/nonsense/1", {}, 400, /invalid secret manager: nonsense/],
    ["PATCH", "/secrets/vault", {}, 400, /no secret id/],
    ["DELETE", "/routes", undefined, 400, /missing route id/],
    ["PUT", "/routes/1/plugins/key-auth", route, 400, /^a path below a resource is for PATCH: \/plugins\/key-auth$/],
    ["DELETE", "/routes/1/desc?force=true", undefined, 400, /^a path below a resource is for PATCH: \/desc$/],
    ["DELETE", "/consumers/jack/credentials/a/b", undefined, 400, /for PATCH: \/b$/],
    ["DELETE", "/consumers/jack/nonsense", undefined, 400, /for PATCH: \/nonsense$/],
    ["GET", "/plugins/nonsense", undefined, 404, /plugin not found in subsystem http/],
    ["GET", "/plugins/reload", undefined, 405, /please use PUT/],
    ["GET", "/schema/nonsense", undefined, 400, /not found schema: nonsense/],
    ["GET", "/schema", undefined, 400, /missing the name/],
    ["POST", "/schema/validate/nonsense", {}, 404, /Unsupported resource type: nonsense/],
    ["POST", "/schema/validate/secrets", {}, 400, /without an id/],
    ["POST", "/schema/validate/routes", { uri: 1 }, 400, /property "uri"/],
  ] as const) {
    const answer = await admin.send(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    const said = typeof answer.body === "object" ? String(answer.body.error_msg) : answer.text;
    assert.match(said, says, `${method} ${path}`);
  }
  assert.equal(admin.repository.revision, 1);
  const http = await startAdmin(t, { stream: false });
  const answer = await http.send("GET", "/stream_routes");
  assert.equal(answer.status, 400);
  assert.equal(answer.body.error_msg, "stream mode is disabled, can not add stream routes");
});

test("an id that no number can hold is kept digit by digit", async (t) => {
  const admin = await startAdmin(t);
  const body = `{"id":12345678901234567890,"uri":"/a","plugins":{},"priority":7}`;
  assert.equal((await admin.send("PUT", "/routes", body)).status, 201);
  const read = await admin.send("GET", "/routes/12345678901234567890");
  assert.equal((read.body.value as { id: unknown }).id, "12345678901234567890");
});

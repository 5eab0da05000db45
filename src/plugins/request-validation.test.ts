import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest, type FakeRequest } from "../plugin/fake-request.ts";
import type { Reply } from "../plugin/plugin.ts";
import { compileChecked } from "./checked-plugin.ts";
import { clientControl } from "./client-control.ts";
import { realIp } from "./real-ip.ts";
import { requestValidation } from "./request-validation.ts";

interface Judged {
  readonly status: number;
  readonly text: string;
  readonly request: FakeRequest;
}

async function judge(
  conf: object,
  body?: string,
  headers: readonly (readonly [string, string])[] = [],
): Promise<Judged> {
  const { rewrite } = compileChecked(requestValidation, conf);
  const request = buildRequest({ headers, ...(body === undefined ? {} : { body }) });
  const answer = (await rewrite?.(request)) as Reply | undefined;
  return { status: answer?.status ?? 200, text: String(answer?.body ?? ""), request };
}

const numbers = {
  body_schema: {
    type: "object",
    required: ["n"],
    properties: { n: { type: "integer", minimum: 1 }, e: { enum: ["x", "y"] }, s: { type: "string", pattern: "^a+$" } },
  },
};

test("bodies in JSON are judged, whatever they are called", async () => {
  assert.equal((await judge(numbers, '{"n":1}')).status, 200);
  assert.equal((await judge(numbers, '{"n":1}', [["Content-Type", "text/plain"]])).status, 200);
  for (const [body, fault] of [
    ['{"n":0}', 'property "n" validation failed: expected 0 to be at least 1'],
    ['{"n":"1"}', 'property "n" validation failed: wrong type: expected integer, got string'],
    ["{}", 'property "n" is required'],
    ["[]", 'property "n" is required'],
    ['{"n":1,"e":"z"}', 'property "e" validation failed: matches none of the enum values'],
    ["{broken", "the body is no JSON"],
    ["", ""],
  ] as const) {
    const { status, text } = await judge(numbers, body);
    assert.deepEqual([status, text], [400, fault]);
  }
  const said = await judge({ ...numbers, rejected_code: 422, rejected_msg: "no" }, "{}");
  assert.deepEqual([said.status, said.text], [422, "no"]);
  assert.equal((await judge({ ...numbers, max_req_body_size: 3 }, '{"n":1}')).status, 413);
});

test("what stands for a secret in configurations is a text like any other here", async () => {
  for (const s of ["$secret://vault/1/a", "$ENV://HOME"]) {
    assert.equal((await judge(numbers, JSON.stringify({ n: 1, s }))).status, 400, s);
    assert.equal((await judge(numbers, JSON.stringify({ n: 1, e: s }))).status, 400, s);
  }
});

test("forms are judged as texts; several of one name are a list", async () => {
  const form = [["Content-Type", "application/x-www-form-urlencoded; charset=utf-8"]] as const;
  const conf = {
    body_schema: { type: "object", required: ["a b"], properties: { "a b": { type: "string", enum: ["ü"] } } },
  };
  assert.equal((await judge(conf, "a+b=%C3%BC&c", form)).status, 200);
  assert.equal((await judge(conf, "a+b=x", form)).status, 400);
  assert.equal((await judge(conf, "a+b=%C3%BC&a+b=x", form)).status, 400);
  assert.match((await judge(numbers, "n=1", form)).text, /expected integer, got string/);
});

test("defaults are written into the body, which otherwise stays as it came", async () => {
  const conf = { body_schema: { type: "object", properties: { d: { type: "string", default: "dflt" } } } };
  assert.equal(String((await judge(conf, '{"a":1}')).request.upstream.body), '{"a":1,"d":"dflt"}');
  assert.equal((await judge(conf, '{ "d": "x" }')).request.upstream.body, null);
});

test("headers are judged by names in lower case", async () => {
  const conf = {
    header_schema: {
      type: "object",
      required: ["x-a"],
      properties: { "x-a": { type: "string", pattern: "^[0-9]+$" } },
    },
  };
  assert.equal((await judge(conf, undefined, [["X-A", "1"]])).status, 200);
  assert.equal((await judge(conf)).text, 'property "x-a" is required');
  assert.match((await judge(conf, undefined, [["X-A", "a"]])).text, /failed to match pattern/);
  const twice = [
    ["X-A", "1"],
    ["x-a", "2"],
  ] as const;
  assert.match((await judge(conf, undefined, twice)).text, /expected string, got table/);
});

test("patterns are bounded; schemas that cannot be judged are refused", async () => {
  const long = JSON.stringify({ n: 1, s: "a".repeat(9_000) });
  assert.equal((await judge(numbers, long)).status, 400);
  assert.throws(() => compileChecked(requestValidation, { body_schema: { pattern: "(a+)+$" } }), /time without bound/);
  for (const [schema, reason] of [
    [{ pattern: "(" }, /^Error: body_schema: missing closing parenthesis/],
    [{ $ref: "#/x" }, /nothing to refer to at #\/x/],
    [{ $ref: "#" }, /refers to itself/],
    [{ $ref: "http://a/b" }, /nothing to refer to/],
    [{ $dynamicRef: "#a" }, /unknown keyword \$dynamicRef/],
  ] as const) {
    assert.throws(() => compileChecked(requestValidation, { body_schema: schema }), reason);
  }
  for (const [keyword, value] of Object.entries({ format: "uuid", nullable: true, "x-origin": 1, example: "y" })) {
    assert.equal((await judge({ body_schema: { type: "string", [keyword]: value } }, '"x"')).status, 200, keyword);
  }
  const rule = requestValidation.checkConf;
  const check = { plugin: () => undefined, schemaFault: () => null };
  assert.equal(
    rule?.({ body_schema: { properties: { a: { type: "nope" } } } }, check),
    "<lua>: invalid JSON type: nope",
  );
  for (const [schema, reason] of [
    [{ required: "a" }, 'body_schema: property "required" validation failed: wrong type: expected array, got string'],
    [{ properties: { a: { minLength: "3" } } }, "expected integer, got string"],
  ] as const) {
    assert.ok(rule?.({ body_schema: schema }, check)?.includes(reason), JSON.stringify(schema));
  }
  const good = {
    $ref: "#/definitions/a",
    definitions: { a: { enum: [{ pattern: "(" }], items: [true, { const: 1 }] } },
  };
  assert.equal(rule?.({ header_schema: good, body_schema: { not: false } }, check), null);
});

test("keywords beyond those of configurations: formats, nested values, schemas that are true or false", async () => {
  for (const [schema, good, bad, fault] of [
    [{ format: "email" }, '"a+b@c.example"', '"a@b"', "expect valid email address but got: a@b"],
    [{ format: "hostname" }, '"a-b.c"', '"a_b"', "expect valid hostname address but got: a_b"],
    [{ enum: [{ a: [1] }] }, '{"a":[1]}', '{"a":[2]}', "matches none of the enum values"],
    [{ const: [1] }, "[1]", "[1,1]", "failed to check const value"],
    [{ properties: { a: false } }, '{"b":1}', '{"a":1}', 'property "a" validation failed: expect false always'],
    [{ items: [true], additionalItems: false }, "[1]", "[1,2]", "found unexpected extra items in array"],
    [{ multipleOf: 2 }, "4", "5", "expected 5 to be a multiple of 2"],
    [{ contains: { type: "null" } }, "[null]", "[1]", "failed to check contains"],
  ] as const) {
    assert.equal((await judge({ body_schema: schema }, good)).status, 200, good);
    const { status, text } = await judge({ body_schema: schema }, bad);
    assert.deepEqual([status, text], [400, fault]);
  }
});

test("client-control: what is announced is refused at once, the rest is limited", () => {
  const { rewrite } = compileChecked(clientControl, { max_body_size: 5 });
  const request = (length: string): FakeRequest => buildRequest({ headers: [["Content-Length", length]] });
  assert.equal((rewrite?.(request("6")) as Reply | undefined)?.status, 413);
  const short = request("5");
  assert.equal(rewrite?.(short), undefined);
  assert.equal(short.bodyLimit, 5);
  assert.deepEqual(compileChecked(clientControl, { max_body_size: 0 }), {});
});

test("real-ip: the address that a believed peer gives", () => {
  const client = (conf: object, options: Parameters<typeof buildRequest>[0]): string => {
    const request = buildRequest(options);
    void compileChecked(realIp, conf).rewrite?.(request);
    return `${request.remoteAddr} ${request.remotePort}`;
  };
  const argument = { source: "arg_realip" };
  assert.equal(client(argument, { target: "/?realip=1.2.3.4" }), "1.2.3.4 50000");
  assert.equal(client(argument, { target: "/?realip=1.2.3.4:9" }), "1.2.3.4 9");
  assert.equal(client(argument, { target: "/?realip=[2001:db8::1]:9" }), "2001:db8::1 9");
  for (const target of ["/", "/?realip=x", "/?realip=1.2.3.4:99999", "/?realip=1.2.3", "/?realip=%0d%0a"]) {
    assert.equal(client(argument, { target }), "127.0.0.1 50000", target);
  }
  const trusting = { source: "http_x_forwarded_for", trusted_addresses: ["127.0.0.0/8", "10.0.0.0/8"] };
  const headers = [["X-Forwarded-For", "6.6.6.6, 5.5.5.5, 10.0.0.2"]] as const;
  assert.equal(client(trusting, { headers }), "10.0.0.2 50000");
  assert.equal(client({ ...trusting, recursive: true }, { headers }), "5.5.5.5 50000");
  assert.equal(client(trusting, { headers, remoteAddr: "9.9.9.9" }), "9.9.9.9 50000");
});

import assert from "node:assert/strict";
import { createHmac, hash } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { buildConsumer, buildRequest, type FakeRequest } from "../plugin/fake-request.ts";
import type { Reply } from "../plugin/plugin.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { hmacAuth } from "./hmac-auth.ts";
import { parseSignature } from "./hmac-signature.ts";

const ann = buildConsumer("ann", { key_id: "ann-key", secret_key: "sec" });
const guest = buildConsumer("guest");
const env = buildEnv({
  byKey: (_, value) => (value === "ann-key" ? ann : undefined),
  byName: (name) => (name === "guest" ? guest : undefined),
});

interface Signing {
  readonly keyId?: string;
  readonly algorithm?: string;
  readonly signed?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly secret?: string;
  readonly method?: string;
  readonly date?: string;
  readonly body?: string;
}

/** A request for `/p?q=1` signed as `how` says. */
function signedRequest(how: Signing = {}): FakeRequest {
  const { keyId = "ann-key", algorithm = "hmac-sha256", signed = ["@request-target", "date"], secret = "sec" } = how;
  const headers: Record<string, string> = { date: how.date ?? new Date().toUTCString(), ...how.headers };
  const lines = signed.map((name) =>
    name === "@request-target" ? `${how.method ?? "GET"} /p` : `${name}: ${headers[name]}`,
  );
  const digest = algorithm.slice("hmac-".length);
  const signature = createHmac(digest, secret)
    .update(`${keyId}\n${lines.join("\n")}\n`)
    .digest("base64");
  const authorization = `Signature keyId="${keyId}",algorithm="${algorithm}",headers="${signed.join(" ")}",signature="${signature}"`;
  return buildRequest({
    target: "/p?q=1",
    headers: [...Object.entries(headers), ["Authorization", authorization]],
    ...(how.body === undefined ? {} : { body: how.body }),
  });
}

const conf = { signed_headers: ["date"] };

test("each algorithm authenticates; headers that were signed count", () => {
  const { rewrite } = compileChecked(hmacAuth, conf, env);
  for (const how of [
    {},
    { algorithm: "hmac-sha1" },
    { algorithm: "hmac-sha512" },
    { signed: ["date", "x-a", "@request-target"], headers: { "x-a": "1" } },
    { signed: ["date"] },
  ]) {
    const request = signedRequest(how);
    assert.equal(rewrite?.(request), undefined, JSON.stringify(how));
    assert.equal(request.consumer, ann);
  }
});

test("whatever is not right is refused with one text", () => {
  const { rewrite } = compileChecked(hmacAuth, { ...conf, allowed_algorithms: ["hmac-sha256"], realm: "r" }, env);
  const rows: readonly Signing[] = [
    { secret: "other" },
    { keyId: "nobody" },
    { method: "POST" },
    { algorithm: "hmac-sha512" },
    { algorithm: "hmac-md5" },
    { signed: ["@request-target"] },
    { signed: ["date", "x-absent"] },
    { date: "nonsense" },
    { date: "2026-11-23T18:00:00Z" },
    { date: new Date(Date.now() - 400_000).toUTCString() },
    { date: new Date(Date.now() + 400_000).toUTCString() },
  ];
  for (const how of rows) {
    const request = signedRequest(how);
    assert.deepEqual(
      rewrite?.(request),
      {
        status: 401,
        headers: [["WWW-Authenticate", 'hmac realm="r"']],
        body: '{"message":"client request can\'t be validated"}\n',
      },
      JSON.stringify(how),
    );
    assert.equal(request.consumer, null);
  }
  const message = (authorization?: string): unknown => {
    const headers = authorization === undefined ? [] : ([["Authorization", authorization]] as const);
    const refused = rewrite?.(buildRequest({ headers })) as Reply | undefined;
    return refused?.body;
  };
  assert.match(String(message()), /missing Authorization header/);
  assert.match(String(message("Basic YTpi")), /does not start with 'Signature'/);
});

test("the digest of the body is checked where that is asked for", async () => {
  const { rewrite } = compileChecked(hmacAuth, { ...conf, validate_request_body: true, max_req_body_size: 10 }, env);
  const digest = (body: string): string => `SHA-256=${hash("sha256", body, "base64")}`;
  const say = async (body: string, headers: Record<string, string>): Promise<number> =>
    ((await rewrite?.(signedRequest({ body, headers }))) as Reply | undefined)?.status ?? 200;
  assert.equal(await say("hello", { digest: digest("hello") }), 200);
  assert.equal(await say("hello", { digest: digest("hallo") }), 401);
  assert.equal(await say("hello", {}), 401);
  assert.equal(await say("hello, world", { digest: digest("hello, world") }), 413);
  assert.equal(await say("", { digest: digest("") }), 200);
});

test("credentials are hidden, anonymous consumers let in", () => {
  const { rewrite } = compileChecked(hmacAuth, { ...conf, hide_credentials: true, anonymous_consumer: "guest" }, env);
  const known = signedRequest();
  rewrite?.(known);
  assert.equal(known.upstream.header("authorization"), undefined);
  const unknown = signedRequest({ secret: "other" });
  assert.equal(rewrite?.(unknown), undefined);
  assert.equal(unknown.consumer, guest);
});

test("the header is read strictly", () => {
  const whole = 'keyId="k", algorithm="a" ,headers="Date  X-A",signature="AAAA"';
  assert.deepEqual(parseSignature(whole)?.headers, ["date", "x-a"]);
  for (const text of [
    "",
    whole.replace("keyId", "keyid"),
    `${whole},keyId="k"`,
    whole.replace("AAAA", "AA AA"),
    `${whole}x`,
  ]) {
    assert.equal(parseSignature(text), null, text);
  }
  fc.assert(fc.property(fc.string(), (text) => void parseSignature(text)));
});

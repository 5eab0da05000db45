import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest, buildResponseHead } from "../plugin/fake-request.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { cors } from "./cors.ts";

type Headers = readonly (readonly [string, string])[];

/** The answer's headers for a request with this Origin, by name. */
function answer(conf: object, origin?: string, before: Headers = [], env = buildEnv()): Record<string, string> {
  const { header_filter: filter } = compileChecked(cors, conf, env);
  const head = buildResponseHead(200, before);
  const headers: Headers = [
    ["Access-Control-Request-Headers", "X-B, X-C"],
    ...(origin === undefined ? [] : [["Origin", origin] as const]),
  ];
  filter?.(buildRequest({ headers }), head);
  return Object.fromEntries(head.list.map(([name, value]) => [name.toLowerCase(), value]));
}

const open = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "*",
  "access-control-max-age": "5",
  "access-control-allow-headers": "*",
};

test("by default everybody may read, whether or not an origin is named", () => {
  assert.deepEqual(answer({}), open);
  assert.deepEqual(answer({}, "http://a.com"), open);
});

test("listed origins are named in the answer, others are not told anything", () => {
  const conf = {
    allow_origins: "http://a.com,http://b.com:8080",
    allow_credential: true,
    allow_methods: "GET,POST",
    allow_headers: "X-A",
    expose_headers: "X-E",
    max_age: 50,
  };
  assert.deepEqual(answer(conf, "http://b.com:8080"), {
    vary: "Origin",
    "access-control-allow-origin": "http://b.com:8080",
    "access-control-allow-methods": "GET,POST",
    "access-control-max-age": "50",
    "access-control-expose-headers": "X-E",
    "access-control-allow-headers": "X-A",
    "access-control-allow-credentials": "true",
  });
  for (const origin of [undefined, "http://evil.com", "http://a.com,http://b.com:8080", "http://a.com, x", "*"]) {
    assert.deepEqual(answer(conf, origin), { vary: "Origin" }, String(origin));
  }
});

test("what the node says of CORS is replaced, its Vary kept", () => {
  const before: Headers = [
    ["Access-Control-Allow-Origin", "*"],
    ["Vary", "Accept"],
  ];
  const headers = answer({ allow_origins: "http://a.com" }, "http://a.com", before);
  assert.equal(headers["access-control-allow-origin"], "http://a.com");
  assert.equal(headers.vary, "Accept, Origin");
  for (const vary of ["accept, origin", "*"]) {
    assert.equal(answer({ allow_origins: "http://a.com" }, "x", [["Vary", vary]]).vary, vary);
  }
});

test("** allows everybody by name", () => {
  const conf = { allow_origins: "**", allow_methods: "**", allow_headers: "**", expose_headers: "**" };
  const headers = answer({ ...conf, allow_credential: true }, "null");
  assert.equal(headers["access-control-allow-origin"], "null");
  assert.equal(headers["access-control-allow-headers"], "X-B, X-C");
  assert.match(headers["access-control-allow-methods"] as string, /^GET,POST,.*TRACE$/);
  assert.equal(answer(conf)["access-control-allow-origin"], "*");
});

test("patterns take the place of the list; names in the metadata add to it", () => {
  const patterns = { allow_origins_by_regex: [".*\\.test\\.com$"] };
  assert.equal(answer(patterns, "http://x.test.com")["access-control-allow-origin"], "http://x.test.com");
  assert.deepEqual(answer(patterns, "http://a.com"), { vary: "Origin" });
  const warnings: string[] = [];
  const env = {
    ...buildEnv(),
    metadata: { allow_origins: { one: "http://one.com,http://uno.com" } },
    warn: (text: string) => warnings.push(text),
  };
  const named = { allow_origins: "http://a.com", allow_origins_by_metadata: ["one", "two"] };
  for (const origin of ["http://a.com", "http://one.com", "http://uno.com"]) {
    assert.equal(answer(named, origin, [], env)["access-control-allow-origin"], origin);
  }
  assert.deepEqual(answer(named, "http://b.com", [], env), { vary: "Origin" });
  assert.equal(warnings[0], "the metadata has no allow_origins.two");
});

test("timings", () => {
  assert.equal(answer({ timing_allow_origins: "http://a.com" }, "http://a.com")["timing-allow-origin"], "http://a.com");
  assert.deepEqual(answer({ timing_allow_origins: "http://a.com" }, "http://b.com"), open);
});

test("preflight requests are answered here", () => {
  const { rewrite } = compileChecked(cors, {});
  assert.deepEqual(rewrite?.(buildRequest({ method: "OPTIONS" })), {
    status: 200,
    headers: [["Content-Type", "text/plain"]],
    body: "",
  });
  assert.equal(rewrite?.(buildRequest()), undefined);
});

test("configurations that could not work are refused", () => {
  assert.throws(() => answer({ allow_methods: "GET\r\nX: 1" }), /no header may/);
  assert.throws(() => answer({ allow_origins_by_regex: ["(a+)+$"] }), /time without bound/);
  assert.match(
    String(
      cors.checkConf?.(
        { allow_origins: "*", allow_credential: true },
        { plugin: () => undefined, schemaFault: () => null },
      ),
    ),
    /'\*'/,
  );
});

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { buildRequest } from "../plugin/fake-request.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { proxyMirror } from "./proxy-mirror.ts";

/** A service that answers with what it got to whoever waits for it. */
async function startService(t: TestContext) {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      response.end("dropped");
      const { method, url, rawHeaders } = request;
      server.emit("copy", { method, url, rawHeaders, body: Buffer.concat(pieces).toString() });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { server, host: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

interface Copy {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

test("the copy has the request's method, target, headers and body", async (t) => {
  const { server, host } = await startService(t);
  const headers: [string, string][] = [
    ["Host", "a.test:81"],
    ["X-A", "1"],
    ["apikey", "secret"],
    ["Content-Length", "4"],
    ["Connection", "keep-alive, X-Hop"],
    ["X-Hop", "1"],
  ];
  const ctx = buildRequest({ method: "POST", target: "/x?a=1", headers, body: "body" });
  ctx.upstream.removeHeader("apikey");
  const copied = once(server, "copy");
  assert.equal(await compileChecked(proxyMirror, { host }).before_proxy?.(ctx), undefined);
  const [copy] = (await copied) as [Copy];
  assert.deepEqual([copy.method, copy.url, copy.body], ["POST", "/x?a=1", "body"]);
  const own = ["Content-Length", "4", "X-A", "1", "X-Forwarded-Proto", "http"];
  const rest = ["X-Forwarded-Host", "a.test:81", "X-Forwarded-Port", "81", "Connection", "close"];
  assert.deepEqual(copy.rawHeaders, ["Host", "a.test:81", ...own, ...rest]);
});

test("the path is replaced, or put before the request's", async (t) => {
  const { server, host } = await startService(t);
  const target = async (conf: object): Promise<string> => {
    const copied = once(server, "copy");
    assert.equal(
      compileChecked(proxyMirror, { host, ...conf }).before_proxy?.(buildRequest({ target: "/x?a=1" })),
      undefined,
    );
    return ((await copied) as [Copy])[0].url;
  };
  assert.equal(await target({ path: "/y" }), "/y?a=1");
  assert.equal(await target({ path: "/y", path_concat_mode: "prefix" }), "/y/x?a=1");
});

test("a service that is away is told of once, too long a body is not mirrored", async () => {
  const warnings: string[] = [];
  const told = Promise.withResolvers<void>();
  const env = {
    ...buildEnv(),
    warn(message: string) {
      warnings.push(message);
      told.resolve();
    },
  };
  const away = compileChecked(proxyMirror, { host: "http://127.0.0.1:1" }, env);
  void away.before_proxy?.(buildRequest());
  void away.before_proxy?.(buildRequest());
  await told.promise;
  assert.match(warnings.join("\n"), /^no copy to http:\/\/127.0.0.1:1: .*ECONNREFUSED.*$/);
  const long = "x".repeat(1_048_577);
  const headers: [string, string][] = [["Content-Length", String(long.length)]];
  await compileChecked(proxyMirror, { host: "http://127.0.0.1:1" }, env).before_proxy?.(
    buildRequest({ method: "POST", body: long, headers }),
  );
  assert.equal(warnings.at(-1), "a body of more than 1048576 bytes is not mirrored");
  assert.throws(() => compileChecked(proxyMirror, { host: "grpc://a:1" }), /grpc/);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest, buildResponseHead } from "../plugin/fake-request.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { errorPage } from "./error-page.ts";

function answer(metadata: Readonly<Record<string, unknown>>, status: number, fromUpstream = false) {
  const handlers = compileChecked(errorPage, {}, { ...buildEnv(), metadata });
  const head = buildResponseHead(status, [["Content-Type", "text/plain"]], fromUpstream);
  handlers.header_filter?.(buildRequest(), head);
  return [head.header("content-type"), head.replaced()];
}

test("pages of the gateway's own errors are replaced where there is another", () => {
  const metadata = { enable: true, error_404: { body: "<p>no" }, error_502: { body: "{}", content_type: "a/b" } };
  assert.deepEqual(answer(metadata, 404), ["text/html", "<p>no"]);
  assert.deepEqual(answer(metadata, 502), ["a/b", "{}"]);
  assert.deepEqual(answer(metadata, 503), ["text/plain", null]);
  assert.deepEqual(answer(metadata, 404, true), ["text/plain", null]);
  assert.deepEqual(answer({ ...metadata, error_404: { body: "" } }, 404), ["text/plain", null]);
  assert.deepEqual(answer({ ...metadata, enable: false }, 404), ["text/plain", null]);
  assert.deepEqual(answer({}, 404), ["text/plain", null]);
});

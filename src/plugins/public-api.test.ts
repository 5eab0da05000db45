import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest } from "../plugin/fake-request.ts";
import { reply, type Reply } from "../plugin/plugin.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { publicApi } from "./public-api.ts";

const path = "/apisix/batch-requests";
const env = {
  ...buildEnv(),
  compileOther(name: string) {
    if (name !== "batch-requests") throw new Error(`plugin ${name} is not available in this version`);
    return { publicApis: new Map([[path, () => reply(200, "batch")]]) };
  },
};

const status = (conf: object, target: string): number | undefined =>
  (compileChecked(publicApi, conf, env).access?.(buildRequest({ target })) as Reply | undefined)?.status;

test("the path, or the one that is configured, leads to a plugin's API", () => {
  assert.equal(status({}, path), 200);
  assert.equal(status({}, "/other"), 404);
  assert.equal(status({}, "/apisix/status"), 404);
  assert.equal(status({ uri: path }, "/other"), 200);
  assert.equal(status({ uri: "/nowhere" }, path), 404);
  assert.throws(() => status({ uri: "/apisix/status" }, "/"), /plugin node-status is not available/);
});

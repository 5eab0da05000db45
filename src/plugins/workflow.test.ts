import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest } from "../plugin/fake-request.ts";
import { reply, type ConfCheck, type Reply } from "../plugin/plugin.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { workflow } from "./workflow.ts";

const is = (name: string) => [[`arg_${name}`, "==", "1"]];

test("the first rule that applies runs its action, later ones do not", () => {
  const ended: string[] = [];
  const env = {
    ...buildEnv(),
    compileOther: (name: string, conf: unknown) => ({
      access: () => reply(503, `${name} ${JSON.stringify(conf)}`),
      log: () => void ended.push(name),
      dispose: () => void ended.push("disposed"),
    }),
  };
  const rules = [
    { case: is("a"), actions: [["return", { code: 403 }]] },
    { case: is("b"), actions: [["limit-count", { count: 1 }]] },
    { case: is("c"), actions: [] },
    { case: ["OR", ...is("d"), ...is("e")], actions: [["return", { code: 410 }]] },
  ];
  const handlers = compileChecked(workflow, { rules }, env);
  const answer = (query: string): string | undefined => {
    const ctx = buildRequest({ target: `/?${query}` });
    const answered = handlers.access?.(ctx) as Reply | undefined;
    handlers.log?.(ctx);
    return answered && `${answered.status} ${String(answered.body)}`;
  };
  assert.equal(answer("a=1&b=1"), '403 {"error_msg":"rejected by workflow"}\n');
  assert.equal(answer("b=1"), '503 limit-count {"count":1}');
  assert.equal(answer("c=1&d=1"), undefined);
  assert.equal(answer("e=1"), '410 {"error_msg":"rejected by workflow"}\n');
  assert.equal(answer(""), undefined);
  assert.deepEqual(ended, ["limit-count"]);
  handlers.dispose?.();
  assert.deepEqual(ended, ["limit-count", "disposed"]);
});

test("a global rule and a route end the actions that each has begun", () => {
  const ended: string[] = [];
  const handlers = ["global", "route"].map((owner) => {
    const env = { ...buildEnv(), compileOther: () => ({ log: () => void ended.push(owner) }) };
    return compileChecked(workflow, { rules: [{ actions: [["limit-conn", {}]] }] }, env);
  });
  const ctx = buildRequest();
  for (const { access } of handlers) void access?.(ctx);
  for (const { log } of handlers) log?.(ctx);
  assert.deepEqual(ended, ["global", "route"]);
});

test("a plugin that is not built is named, an unknown action refused", () => {
  const rules = (name: string, conf: unknown) => ({ rules: [{ actions: [[name, conf]] }] });
  assert.throws(() => compileChecked(workflow, rules("limit-count", {})), /limit-count is not available/);
  const check: ConfCheck = { plugin: () => undefined, schemaFault: () => "property x is required" };
  assert.equal(workflow.checkConf?.(rules("nope", {}), check), "unsupported action: nope");
  const fault = "failed to validate the 'return' action: property x is required";
  assert.equal(workflow.checkConf?.(rules("return", {}), check), fault);
});

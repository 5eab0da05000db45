import assert from "node:assert/strict";
import { test } from "node:test";
import { engineWith, request, route, upstream } from "./testing.ts";

test("a route is found and carries its upstream", () => {
  const { engine } = engineWith();
  const failures = engine.apply([route("1", { uri: "/hello", upstream: upstream({ nodes: { "127.0.0.1:80": 1 } }) })]);
  assert.deepEqual(failures, []);
  const plan = engine.match(request({ uri: "/hello" }));
  assert.equal(plan.found, true);
  assert.equal(plan.route.id, "1");
  assert.equal(plan.upstream?.nodes[0]?.address, "127.0.0.1:80");
  assert.equal(engine.match(request({ uri: "/hello/" })).found, false);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { PluginDefinition } from "../plugin/plugin.ts";
import { compileTemplate } from "../plugin/variables.ts";
import { engineWith, request, route } from "./testing.ts";

test("a plan knows what its plugins look into the body for, wherever they have the variable", () => {
  const plugin: PluginDefinition<{ readonly text: string }> = {
    name: "templated",
    priority: 1,
    version: "1.0",
    schema: { type: "object" },
    compile: ({ text }) => {
      compileTemplate(text);
      return { bodyUses: text === "own" ? ["graphql"] : [] };
    },
  };
  const { engine } = engineWith([plugin as PluginDefinition]);
  const uses = (text: string): unknown => {
    engine.apply([route("1", { uri: "/1", plugins: { templated: { text } } })]);
    return engine.match(request({ uri: "/1" })).bodyUses;
  };
  assert.equal(uses("$arg_a"), null);
  assert.deepEqual(uses("a-${post_arg.b ?? c}"), ["post_arg"]);
  assert.deepEqual(uses("$graphql_name $post_arg_a"), ["graphql", "post_arg"]);
  assert.deepEqual(uses("own"), ["graphql"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { reply, type PluginDefinition, type Reply } from "../plugin/plugin.ts";
import { compileTemplate } from "../plugin/variables.ts";
import { change, engineWith, request, route } from "./testing.ts";

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
    return engine.match(request({ uri: "/1" }), null).bodyUses;
  };
  assert.equal(uses("$arg_a"), null);
  assert.deepEqual(uses("a-${post_arg.b ?? c}"), ["post_arg"]);
  assert.deepEqual(uses("$graphql_name $post_arg_a"), ["graphql", "post_arg"]);
  assert.deepEqual(uses("own"), ["graphql"]);
});

test("metadata reaches a plugin inside another one, in whatever order they come", () => {
  const named = (name: string, compile: PluginDefinition["compile"]): PluginDefinition => {
    return { name, priority: 1, version: "1.0", schema: { type: "object" }, compile };
  };
  const inner = named("inner", (_, { metadata }) => ({ access: () => reply(200, String(metadata?.["size"])) }));
  const outer = named("outer", (_, env) => env.compileOther("inner", {}));
  const { engine } = engineWith([inner, outer]);
  const said = (uri: string): unknown =>
    engine.match(request({ uri }), null).access?.map(({ run }) => (run(request({ uri })) as Reply).body);
  engine.apply([
    change("global_rules", "1", { plugins: { outer: {} } }),
    route("1", { uri: "/1", plugins: { outer: {} } }),
    change("plugin_metadata", "inner", { size: 1 }),
  ]);
  assert.deepEqual([said("/1"), said("/none")], [["1", "1"], ["1"]]);
  engine.apply([change("plugin_metadata", "inner", { size: 2 })]);
  assert.deepEqual([said("/1"), said("/none")], [["2", "2"], ["2"]]);
});

/** What `turnpike plugin new` writes: a plugin that works, and its test. */

/** `my-plugin` as the name of a constant: `myPlugin`. */
export const constantOf = (name: string): string =>
  name.replaceAll(/-+(.)/g, (_, letter: string) => letter.toUpperCase());

/** `my-plugin` as a header: `X-My-Plugin`. */
const headerOf = (name: string): string =>
  `X-${name.replaceAll(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase())}`;

/** The plugin: a header on every answer, and a refusal. */
export const pluginText = (name: string): string => `import { definePlugin, reply } from "turnpike/plugin";

export const ${constantOf(name)} = definePlugin({
  name: "${name}",
  // Within a phase the higher runs first; docs/plugins.md has those of the gateway's own.
  priority: 100,
  version: "0.1",
  // JSON Schema: checked wherever the plugin is configured, and the type of conf below.
  schema: {
    type: "object",
    properties: {
      value: { type: "string", minLength: 1, description: "What the header of answers says." },
      blocked: {
        type: "array",
        items: { type: "string" },
        default: [],
        description: "Values of X-Client that are turned away.",
      },
    },
    required: ["value"],
  },

  // Once for each place where the plugin is configured: work that requests need not repeat.
  compile(conf) {
    const blocked = new Set<string>(conf.blocked);
    const refusal = reply(403, { message: "not you" });
    return {
      access(ctx) {
        const client = ctx.header("x-client");
        return client !== undefined && blocked.has(client) ? refusal : undefined;
      },
      header_filter(_ctx, head) {
        head.setHeader("${headerOf(name)}", conf.value);
      },
    };
  },
});
`;

/** Its test. */
export const testText = (name: string): string => `import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest, buildResponseHead, compileChecked } from "turnpike/plugin/testing";
import { ${constantOf(name)} } from "./${name}.ts";

test("answers carry the header", () => {
  const { header_filter } = compileChecked(${constantOf(name)}, { value: "hello" });
  const head = buildResponseHead(200);
  header_filter?.(buildRequest(), head);
  assert.equal(head.header("${headerOf(name).toLowerCase()}"), "hello");
});

test("who is blocked is turned away", async () => {
  const { access } = compileChecked(${constantOf(name)}, { value: "hello", blocked: ["bob"] });
  const ask = (client: string) => access?.(buildRequest({ headers: [["X-Client", client]] }));
  assert.equal(await ask("ann"), undefined);
  assert.equal((await ask("bob"))?.status, 403);
});

test("a configuration without a value is refused", () => {
  assert.throws(() => compileChecked(${constantOf(name)}, {}), /property "value" is required/);
});
`;

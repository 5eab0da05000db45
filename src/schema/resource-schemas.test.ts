import assert from "node:assert/strict";
import { test } from "node:test";
import { kinds } from "./kinds.ts";
import { resourceSchemas } from "./resource-schemas.ts";

test("every kind but secrets and metadata has a schema to show", () => {
  const shown = kinds.filter((kind) => kind !== "secrets" && kind !== "plugin_metadata");
  for (const kind of shown) assert.ok(resourceSchemas[kind === "plugins" ? kind : kind.replace(/s$/, "")], kind);
  assert.equal(resourceSchemas.secret, undefined);
});

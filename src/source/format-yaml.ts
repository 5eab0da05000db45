import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** YAML 1.1, as `parseYaml` reads it; the library is loaded when it is needed. */
export function formatYaml(value: unknown): string {
  const { Document, visit } = require("yaml") as typeof import("yaml");
  const document = new Document(value, { version: "1.1" });
  visit(document, {
    Scalar(_key, node) {
      // As a block the library loses the blanks of a first line that is blank.
      if (typeof node.value === "string" && /^\s+\n/.test(node.value)) node.type = "QUOTE_DOUBLE";
    },
  });
  return document.toString({ lineWidth: 0 });
}

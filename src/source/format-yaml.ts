import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** YAML 1.1, as `parseYaml` reads it; the library is loaded when it is needed. */
export function formatYaml(value: unknown): string {
  const { stringify } = require("yaml") as typeof import("yaml");
  return stringify(value, { version: "1.1", lineWidth: 0 });
}

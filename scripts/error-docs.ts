// Writes docs/errors.md from the error registry: `node scripts/error-docs.ts`. A test keeps it current.
import { writeFileSync } from "node:fs";
import { errors } from "../src/lib/errors.ts";

const retries = {
  never: "never",
  safe: "yes, nothing of it reached an origin",
  idempotent: "idempotent methods only",
  reused: "yes, on a fresh connection",
} as const;

/** The text of docs/errors.md. */
export function errorReference(): string {
  const rows = Object.entries(errors).map(
    ([code, { source, status, retry, summary }]) =>
      `| \`${code}\` | ${source} | ${status === 0 ? "–" : status} | ${retries[retry]} | ${summary} |`,
  );
  return `# Errors

Every error that the gateway answers, logs or ends with, from the registry \`src/lib/errors.ts\`. *Source* says who caused it; *retry* whether the gateway may send the request to another node.

| code | source | status | retry | what |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}

if (import.meta.main) writeFileSync(new URL("../docs/errors.md", import.meta.url), errorReference());

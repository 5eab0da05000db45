// `npm test`: linter, formatter, type check, then every test. `npm test -- FILE…`
// runs just these test files.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const files = process.argv.slice(2);

// Each file is a process of its own: what one has stripped and compiled, the next one loads.
const env = { NODE_COMPILE_CACHE: `${root}node_modules/.cache/turnpike`, ...process.env };

function step(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}

if (files.length === 0) {
  step("node", ["scripts/layers.mjs"]);
  step("oxlint", ["--deny-warnings"]);
  step("prettier", ["--check", "--log-level", "warn", "."]);
  step("tsc", []);
  // What runs in browsers is checked against what browsers have.
  step("tsc", ["-p", "src/status/page"]);
}
step("node", [
  "--test",
  // Many tests wait for clocks of other programs; two at a time would leave two cores idle now and then.
  "--test-concurrency=3",
  "--test-timeout=240000",
  ...(files.length > 0 ? files : ["src/**/*.test.ts", "test/**/*.test.ts", "fuzz/**/*.test.ts"]),
]);

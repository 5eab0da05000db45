// `npm test`: linter, formatter, type check, then every test. `npm test -- FILE…` runs just
// these test files. What failed stands at the end, with what its gateway has said.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const full = process.env.TURNPIKE_TEST_FULL === "on";

/** Test files that take longest, so that none of them runs alone at the end; what is not here follows. */
const longest = [
  "truth-starts",
  "chaos",
  "fleet",
  "readiness",
  "contract",
  "etcd",
  "cli",
  "interop",
  "slow-clients",
  "soak",
  "truth",
  "plugin-examples",
  "health",
  "admin-live",
  "status-page",
  "etcd-source",
  "secrets-live",
  "transfer",
  "embedded-store",
  "tls",
  "user-plugins",
  "refusals",
  "websocket",
  "balancing",
].map((name) => `test/${name}.test.ts`);

// Each file is a process of its own: what one has stripped and compiled, the next one loads.
process.env.NODE_COMPILE_CACHE ??= `${root}node_modules/.cache/turnpike`;

/** Runs a command; answers with whether it has found nothing. */
async function step(command, ...args) {
  const [code] = await once(spawn(command, args, { cwd: root, stdio: "inherit" }), "close");
  return code === 0;
}

function everyFile() {
  const found = globSync(["src/**/*.test.ts", "test/**/*.test.ts", "fuzz/**/*.test.ts"], { cwd: root }).sort();
  return [...longest.filter((file) => found.includes(file)), ...found.filter((file) => !longest.includes(file))];
}

/** Runs the files and prints what they do; answers with the tests that failed. */
async function runTests(files, logs) {
  const events = run({
    files: files.map((file) => resolve(root, file)),
    // Many tests wait for clocks of other programs; two at a time would leave two cores idle now and then.
    concurrency: 3,
    // Guards against hanging alone: a busy machine has time.
    timeout: full ? Infinity : 600_000,
    env: { ...process.env, TURNPIKE_TEST_LOGS: logs },
    execArgv: full ? [] : ["--import", new URL("same-cases.mjs", import.meta.url).href],
  });
  const failed = [];
  events.on("test:fail", ({ name, nesting, file = "", details: { error } }) => {
    // Tests within a test are told before it, and it fails because of them.
    if (nesting === 0) for (const one of failed) if (one.file === file) one.outer ??= name;
    if (error.failureType === "subtestsFailed") return;
    failed.push({ name, file, outer: nesting === 0 ? name : null, error: error.cause ?? error });
  });
  const printed = events.compose(spec);
  printed.pipe(process.stdout);
  await once(printed, "end");
  return failed;
}

/** What the gateways of test files have said at their end, by file (test/support/gateway.ts). */
function logsIn(directory) {
  const lines = readdirSync(directory).flatMap((name) => readFileSync(join(directory, name), "utf8").split("\n"));
  return Object.groupBy(
    lines.filter((line) => line !== "").map((line) => JSON.parse(line)),
    ({ file }) => file,
  );
}

/** The failed tests once more, each with its reason and the logs of its gateways. */
function printFailed(failed, logs) {
  for (const { name, file, outer, error } of failed) {
    console.log(`\n✖ ${relative(root, file)}: ${outer === null || outer === name ? "" : `${outer} > `}${name}`);
    console.log(inspect(error).split("\n").slice(0, 15).join("\n"));
    // A gateway without a test serves those of its file in turn.
    const own = (logs[file] ?? []).filter(({ test }) => test === "" || test.split(" > ")[0] === outer);
    for (const { log } of own.slice(-3)) console.log(`--- its gateway's log ends with\n${log.trimEnd()}`);
  }
}

const given = process.argv.slice(2);
if (given.length === 0) {
  const fine = await Promise.all([
    step("prettier", "--check", "--log-level", "warn", "."),
    step("tsc"),
    // What runs in browsers is checked against what browsers have.
    step("tsc", "-p", "src/status/page"),
    step("oxlint", "--deny-warnings"),
    step("node", "scripts/layers.mjs"),
  ]);
  if (fine.includes(false)) process.exit(1);
}
const logs = mkdtempSync(join(tmpdir(), "turnpike-logs-"));
const failed = await runTests(given.length > 0 ? given : everyFile(), logs);
printFailed(failed, logsIn(logs));
rmSync(logs, { recursive: true });
process.exitCode = failed.length === 0 ? 0 : 1;

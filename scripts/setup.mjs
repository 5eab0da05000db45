// Installs what is missing: npm packages, and with --test or --bench the Debian
// packages that those need. Plain JavaScript for the system's Node (>= 20): it runs
// before the pinned Node is there.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = `${root}node_modules/.turnpike-lock`;
const lock = readFileSync(`${root}package-lock.json`, "utf8");

/** Debian packages by the program that shows that they are there. */
const debian = {
  "--test": {
    curl: "curl",
    h2load: "nghttp2-client",
    nginx: "nginx-light",
    openssl: "openssl",
    python3: "python3",
    wrk: "wrk",
    etcd: "etcd-server",
    etcdctl: "etcd-client",
    "redis-server": "redis-server",
    "systemd-notify": "systemd",
    promtool: "prometheus",
    chromium: "chromium",
  },
  "--bench": { nginx: "nginx-light", haproxy: "haproxy", wrk: "wrk", h2load: "nghttp2-client", curl: "curl" },
};

function run(command, args) {
  execFileSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
}

function installed(program) {
  return (
    (process.env.PATH ?? "").split(":").some((dir) => existsSync(`${dir}/${program}`)) ||
    existsSync(`/usr/sbin/${program}`)
  );
}

/** Debian starts the services that it installs unless a policy forbids it; the tests start their own. */
function withoutServices(install) {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return install();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    install();
  } finally {
    rmSync(policy);
  }
}

/** So that the very first start is as fast and as small as every other one. */
function compileOnce() {
  execFileSync(`${root}node_modules/node/bin/node`, [`${root}scripts/compile-once.mjs`], {
    stdio: "ignore",
    env: { ...process.env, NODE_COMPILE_CACHE: `${root}node_modules/.cache/turnpike` },
  });
}

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
  console.error("turnpike: installing npm packages");
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  // An npm that does not run install scripts leaves the pinned Node out.
  if (!existsSync(`${root}node_modules/node/bin/node`)) run("npm", ["rebuild", "node"]);
  compileOnce();
  writeFileSync(stamp, lock);
}

for (const flag of process.argv.slice(2)) {
  const missing = Object.entries(debian[flag] ?? {}).filter(([program]) => !installed(program));
  if (missing.length === 0) continue;
  const names = missing.map(([, name]) => name);
  console.error(`turnpike: installing ${names.join(", ")}`);
  run("apt-get", ["update", "-q"]);
  withoutServices(() => run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...names]));
}

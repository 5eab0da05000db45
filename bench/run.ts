// `npm run bench`: CPU per proxied request of Turnpike against nginx, in alternating
// pairs. Options: --pairs N, --seconds N, --path /100k, --data-path (without
// configuration), --table (only the Markdown table).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { execFileSync } from "node:child_process";
import { originConf, proxyConf } from "./nginx-conf.ts";
import { cpuMicroseconds, type Program, runPinned, startPinned, stopAll } from "./processes.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const nginx = "/usr/sbin/nginx";
const PROXY_CORE = 0;
const LOAD_CORE = 1;
const PORTS = { origin: 29_801, nginx: 29_802, turnpike: 29_803 };

const { values: options } = parseArgs({
  options: {
    pairs: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    path: { type: "string", default: "/" },
    "data-path": { type: "boolean", default: false },
    table: { type: "boolean", default: false },
  },
});

interface Sample {
  readonly cpu: number;
  readonly perSecond: number;
}

async function measure(program: Program, seconds: number): Promise<Sample> {
  const before = cpuMicroseconds(program.child.pid!);
  const url = `http://127.0.0.1:${program.port}${options.path}`;
  const text = await runPinned(LOAD_CORE, ["wrk", "-t1", "-c64", `-d${seconds}s`, url]);
  const used = cpuMicroseconds(program.child.pid!) - before;
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  const failed = /Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)/.exec(text);
  if (failed !== null) throw new Error(`${program.name}: ${failed[0]}`);
  return { cpu: used / requests, perSecond: requests / seconds };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function row(name: string, samples: readonly Sample[]): string {
  const cpu = samples.map((sample) => sample.cpu);
  const rate = median(samples.map((sample) => sample.perSecond));
  const cells = [median(cpu), Math.min(...cpu), Math.max(...cpu)].map((value) => value.toFixed(1));
  return `| ${name} | ${cells.join(" | ")} | ${Math.round(rate)} |`;
}

async function startTurnpike(dir: string): Promise<Program> {
  const node = join(root, "node_modules/.bin/node");
  const port = PORTS.turnpike;
  if (options["data-path"]) {
    const command = [node, join(root, "bench/data-path.ts"), String(port), String(PORTS.origin)];
    return startPinned("Turnpike (data path)", PROXY_CORE, command, port);
  }
  mkdirSync(join(dir, "conf"));
  const listen = `apisix:\n  node_listen: [{ip: 127.0.0.1, port: ${port}}]\n  enable_control: false\n  status: null\n`;
  const role = `deployment:\n  role: data_plane\n  role_data_plane: {config_provider: yaml}\n`;
  const nginxConfig = `nginx_config:\n  worker_processes: 1\n  http: {enable_access_log: false, keepalive_requests: 100000000}\n`;
  writeFileSync(join(dir, "conf/config.yaml"), listen + role + nginxConfig);
  const upstream = `{type: roundrobin, nodes: {"127.0.0.1:${PORTS.origin}": 1}}`;
  writeFileSync(join(dir, "conf/apisix.yaml"), `routes:\n  - {id: 1, uri: /*, upstream: ${upstream}}\n#END\n`);
  return startPinned("Turnpike", PROXY_CORE, [join(root, "bin/turnpike"), "start", "-p", dir], port);
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "turnpike-bench-"));
  try {
    writeFileSync(join(dir, "100k"), Buffer.alloc(102_400, "x"));
    writeFileSync(join(dir, "origin.conf"), originConf(PORTS.origin, dir));
    writeFileSync(join(dir, "proxy.conf"), proxyConf(PORTS.nginx, PORTS.origin, dir));
    await startPinned(
      "origin",
      LOAD_CORE,
      [nginx, "-p", dir, "-e", join(dir, "o.log"), "-c", join(dir, "origin.conf")],
      PORTS.origin,
    );
    const proxy = [nginx, "-p", dir, "-e", join(dir, "p.log"), "-c", join(dir, "proxy.conf")];
    const a = await startPinned("nginx", PROXY_CORE, proxy, PORTS.nginx);
    const b = await startTurnpike(dir);
    await compare(a, b);
  } finally {
    stopAll();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function compare(a: Program, b: Program): Promise<void> {
  const seconds = Number(options.seconds);
  await measure(a, 1);
  await measure(b, 3);
  const samples: { readonly a: Sample; readonly b: Sample }[] = [];
  for (let pair = 0; pair < Number(options.pairs); pair++) {
    samples.push({ a: await measure(a, seconds), b: await measure(b, seconds) });
    const { a: left, b: right } = samples.at(-1)!;
    const ratio = (right.cpu / left.cpu).toFixed(2);
    if (!options.table)
      console.log(`pair ${pair + 1}: ${left.cpu.toFixed(1)} µs, ${right.cpu.toFixed(1)} µs, ratio ${ratio}`);
  }
  const ratios = samples.map((sample) => sample.b.cpu / sample.a.cpu);
  const nginxVersion = execFileSync(nginx, ["-v"], { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
  console.log(`| GET ${options.path}, CPU µs/request | median | min | max | requests/s |`);
  console.log("| --- | --- | --- | --- | --- |");
  console.log(
    row(
      "nginx",
      samples.map((sample) => sample.a),
    ),
  );
  console.log(
    row(
      b.name,
      samples.map((sample) => sample.b),
    ),
  );
  console.log(
    `\nRatio of pairs: median ${median(ratios).toFixed(2)}, min ${Math.min(...ratios).toFixed(2)}, ` +
      `max ${Math.max(...ratios).toFixed(2)} (${ratios.length} pairs of ${seconds} s, wrk -t1 -c64; ` +
      `${cpus()[0]?.model ?? "unknown CPU"}, Node ${execFileSync(join(root, "node_modules/.bin/node"), ["-v"], { encoding: "utf8" }).trim()}${nginxVersion.trim()}; ` +
      `${new Date().toISOString().slice(0, 10)})`,
  );
}

await main();

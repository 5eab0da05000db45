import { join } from "node:path";
import { oneRoute } from "../harness/gateway.ts";
import {
  cpuMicroseconds,
  forgetPeak,
  LOAD_CORE,
  type Program,
  PROXY_CORE,
  residentMegabytes,
  run,
} from "../harness/processes.ts";
import type { Measurement, Stage } from "../harness/stage.ts";
import { summarise } from "../harness/statistics.ts";
import { cells, ratioCell, type Table } from "../harness/table.ts";
import { need } from "../harness/tools.ts";

const GIB = 2 ** 30;
/** What curl says when `--max-time` ends a transfer. */
const TIMED_OUT = 28;

/** 1 GiB down and up through one worker, and slow readers on both sides: memory must not follow the body. */
export const body1g: Measurement = {
  name: "1g",
  tools: ["nginx", "haproxy", "curl"],
  async run(stage) {
    const curl = [need("curl"), "-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download} %{size_upload}"];
    const slowSeconds = stage.extent.full ? 30 : 6;
    const origin = await stage.origin();
    const sink = await stage.program("sink", LOAD_CORE, "sink.ts", []);
    const source = await stage.turnpike({ core: PROXY_CORE, standalone: oneRoute(origin.port) });
    const drain = await stage.turnpike({ core: PROXY_CORE, standalone: oneRoute(sink.port) });
    const file = join(stage.directory, "file", "1g");
    const slow = ["--max-time", String(slowSeconds)];
    const cases = [
      { name: "1 GiB down", gateway: source, words: ["/file/1g"], complete: true },
      { name: "1 GiB up", gateway: drain, words: ["/", "-T", file], complete: true },
      {
        name: `${slowSeconds} s down, client reads 1 MB/s`,
        gateway: source,
        words: ["/file/1g", "--limit-rate", "1M", ...slow],
        complete: false,
      },
      {
        name: `${slowSeconds} s up, origin reads 1 MB/s`,
        gateway: drain,
        words: ["/slow", "-T", file, ...slow],
        complete: false,
      },
    ];
    const rows: string[][] = [];
    for (const { name, gateway, words, complete } of cases) {
      const [path, ...options] = words as [string, ...string[]];
      forgetPeak(gateway.pid);
      const before = residentMegabytes(gateway.pid);
      const startedAt = performance.now();
      const text = await run(
        LOAD_CORE,
        [...curl, ...options, `http://127.0.0.1:${gateway.port}${path}`],
        complete ? [0] : [TIMED_OUT],
      );
      const seconds = (performance.now() - startedAt) / 1_000;
      const [status, down, up] = text.split(" ").map(Number) as [number, number, number];
      const bytes = Math.max(down, up);
      if (complete && (status !== 200 || bytes !== GIB)) throw new Error(`${name}: ${text}`);
      const growth = residentMegabytes(gateway.pid, "peak") - before;
      rows.push([
        name,
        (bytes / 1e6).toFixed(0),
        (bytes / 1e6 / seconds).toFixed(0),
        before.toFixed(1),
        growth.toFixed(1),
      ]);
    }
    const peers = [await stage.nginx(origin), source, await stage.haproxy(origin)];
    return {
      tables: [
        await downloads(peers, stage),
        {
          title: "Long bodies through one worker",
          columns: ["body", "MB passed", "MB/s", "RSS before, MB", "growth at the peak, MB"],
          rows,
          notes: ["curl as client; resident memory of the whole process, its peak as the kernel keeps it."],
        },
      ],
    };
  },
};

/** What passing 1 GiB to a client costs, in alternating rounds. */
async function downloads(programs: readonly Program[], { extent }: Stage): Promise<Table> {
  const curl = [need("curl"), "-s", "-o", "/dev/null", "-w", "%{size_download}"];
  const rounds: number[][] = [];
  for (let round = 0; round < extent.pairs; round++) {
    const samples: number[] = [];
    const order = programs.map((_, i) => i);
    if (round % 2 === 1) order.reverse();
    for (const i of order) {
      const { pid, port, name } = programs[i]!;
      const before = cpuMicroseconds(pid);
      const text = await run(LOAD_CORE, [...curl, `http://127.0.0.1:${port}/file/1g`]);
      if (Number(text) !== GIB) throw new Error(`${name}: ${text} bytes`);
      samples[i] = (cpuMicroseconds(pid) - before) / 1_000;
    }
    rounds.push(samples);
  }
  const rows = programs.map(({ name }, i) => {
    const ratio = summarise(rounds.map((samples) => samples[i]! / samples[0]!));
    return [name, ...cells(summarise(rounds.map((samples) => samples[i]!)), 0), i === 0 ? "" : ratioCell(ratio)];
  });
  return { title: "GET of 1 GiB", columns: ["CPU, milliseconds", "median", "min", "max", "vs nginx"], rows };
}

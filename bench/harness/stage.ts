import { mkdirSync, mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../test/support/ports.ts";
import { Gateway, type GatewayOptions } from "./gateway.ts";
import { haproxyConf, nginxConf, originConf } from "./peer-conf.ts";
import { type Core, LOAD_CORE, type Program, PROXY_CORE, removeAtExit, start } from "./processes.ts";
import type { Table } from "./table.ts";
import { need, node, root, type Tool } from "./tools.ts";

/** How much is measured. */
export interface Extent {
  /** Rounds of alternating runs, at least. */
  readonly pairs: number;
  /** Length of one run. */
  readonly seconds: number;
  /** As the budgets say it, instead of a short version of it. */
  readonly full: boolean;
}

/** What a measurement comes to. */
export interface Report {
  /** What somebody who reads one line should see. */
  readonly headline?: string;
  readonly tables: readonly Table[];
}

/** One thing that is measured; each has a file of its own. */
export interface Measurement {
  /** The word for `--only`. */
  readonly name: string;
  readonly tools: readonly Tool[];
  run(stage: Stage): Promise<Report>;
}

/** What a measurement starts its programs with; whoever makes it ends them with `stopAll`. */
export class Stage {
  readonly extent: Extent;
  /** A directory for files, removed at the end. */
  readonly directory: string;
  #prefixes = 0;

  constructor(extent: Extent) {
    this.extent = extent;
    this.directory = mkdtempSync(join(tmpdir(), "turnpike-bench-"));
    removeAtExit(this.directory);
  }

  /** An origin on the load's core: 12 bytes, `/vary`, `/file/100k`, `/file/1g`. */
  async origin(): Promise<Program> {
    const port = await freePort();
    const files = join(this.directory, "file");
    mkdirSync(files, { recursive: true });
    writeFileSync(join(files, "100k"), Buffer.alloc(102_400, "x"));
    writeFileSync(join(files, "1g"), "");
    truncateSync(join(files, "1g"), 2 ** 30);
    return await this.#nginx("origin", LOAD_CORE, port, originConf(port, this.directory));
  }

  /** @param tls what the server is to say of certificates; `""`: it serves clear text. */
  async nginx(origin: Program, tls = ""): Promise<Program> {
    const port = await freePort();
    return await this.#nginx("nginx", PROXY_CORE, port, nginxConf(port, origin.port, this.directory, tls));
  }

  async haproxy(origin: Program): Promise<Program> {
    const port = await freePort();
    const file = join(this.directory, "haproxy.cfg");
    writeFileSync(file, haproxyConf(port, origin.port));
    return await start("HAProxy", PROXY_CORE, [need("haproxy"), "-db", "-q", "-f", file], port);
  }

  /** A gateway that is ready. */
  async turnpike(options: GatewayOptions): Promise<Gateway> {
    const gateway = await this.launchTurnpike(options);
    await gateway.ready();
    return gateway;
  }

  /** A gateway that has just been started. */
  async launchTurnpike(options: GatewayOptions): Promise<Gateway> {
    const prefix = join(this.directory, `prefix-${++this.#prefixes}`);
    return new Gateway(prefix, [await freePort(), await freePort(), await freePort()], options);
  }

  /** A program of `bench/programs/`, given its port as the first word. */
  async program(name: string, core: Core, file: string, words: readonly (string | number)[]): Promise<Program> {
    const port = await freePort();
    return await start(name, core, [node, `${root}bench/programs/${file}`, String(port), ...words.map(String)], port);
  }

  async #nginx(name: string, core: Core, port: number, conf: string): Promise<Program> {
    const file = join(this.directory, `${name}.conf`);
    writeFileSync(file, conf);
    const command = [need("nginx"), "-p", this.directory, "-e", join(this.directory, `${name}.log`), "-c", file];
    return await start(name, core, command, port);
  }
}

import { type Core, LOAD_CORE, run } from "./processes.ts";
import { need, root } from "./tools.ts";

/** What `wrk` is to ask. */
export interface WrkLoad {
  readonly port: number;
  readonly path?: string;
  /** Default 64. */
  readonly connections?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A file of `bench/programs/` that makes the requests, and the words that it is given. */
  readonly script?: string;
  readonly words?: readonly string[];
  readonly core?: Core;
  /** Over TLS, to `localhost`; the certificate is not verified. */
  readonly tls?: boolean;
}

/** What it saw. */
export interface WrkResult {
  readonly requests: number;
  readonly perSecond: number;
}

/** Loads a server for some seconds with kept-alive connections; throws where any answer is not 2xx or is missing. */
export async function wrk(load: WrkLoad, seconds: number): Promise<WrkResult> {
  const { port, path = "/", connections = 64, headers = {}, script, words = [], core = LOAD_CORE, tls = false } = load;
  const command = [need("wrk"), "-t1", `-c${connections}`, `-d${seconds}s`];
  for (const [name, value] of Object.entries(headers)) command.push("-H", `${name}: ${value}`);
  if (script !== undefined) command.push("-s", `${root}bench/programs/${script}`);
  command.push(tls ? `https://localhost:${port}${path}` : `http://127.0.0.1:${port}${path}`);
  if (words.length > 0) command.push("--", ...words);
  const text = await run(core, command);
  const failed = /Non-2xx or 3xx responses: \d+|Socket errors: .*/.exec(text);
  if (failed !== null) throw new Error(`port ${port}: ${failed[0]}`);
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  return { requests, perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]) };
}

import { request } from "../lib/node-http.ts";
import { loadSettings } from "../settings/load.ts";
import { formatFinding, type Address } from "../settings/settings.ts";
import type { Place } from "../supervisor/run.ts";
import { printable } from "./screen.ts";

/** Where a command writes to; tests put their own in. */
export interface Terminal {
  /** One line for standard output, and one for standard error. */
  out(line: string): void;
  err(line: string): void;
  /** Shows a line that the next one replaces; `null` removes it. Does nothing where no person looks. */
  progress(line: string | null): void;
}

/** The terminal of this process. */
export const processTerminal: Terminal = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  progress(line) {
    if (!process.stderr.isTTY) return;
    process.stderr.write(
      line === null ? "\r\u001b[K" : `\r\u001b[K${printable(line).slice(0, process.stderr.columns - 1)}`,
    );
  },
};

/** How a command finds the Status API. */
export interface StatusTarget {
  readonly place: Place;
  /** Instead of what config.yaml says, as in `http://127.0.0.1:7085`. */
  readonly url?: string | undefined;
}

/** Said where the answer is 403. */
export const notForUs = "details are not answered here (apisix.status.allow_details; for names, allow_hosts)";

/** What the Status API answered. */
export interface StatusReply {
  readonly status: number;
  /** The body as it came, without its last newline. */
  readonly text: string;
  /** Empty where the body is no JSON object: something else listens there. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Nothing answers at the address. */
export class Unreachable extends Error {}

/** The origin to ask, or what is wrong, a line each. */
export function findStatusApi({ place, url }: StatusTarget): { origin: string } | { errors: readonly string[] } {
  if (url !== undefined) return parseOrigin(url);
  const { settings, findings } = loadSettings({
    prefix: place.prefix,
    ...(place.configFile === undefined ? {} : { configFile: place.configFile }),
  });
  if (settings === null) {
    return { errors: findings.filter(({ severity }) => severity === "error").map(formatFinding) };
  }
  if (settings.status === null) return { errors: ["the Status API is turned off (apisix.status)"] };
  return { origin: originOf(settings.status) };
}

/** The origin at which a listener is reached from this machine: wildcards through loopback. */
export function originOf({ ip, port }: Address): string {
  if (ip === "0.0.0.0") return `http://127.0.0.1:${port}`;
  if (ip === "::") return `http://[::1]:${port}`;
  return `http://${ip.includes(":") ? `[${ip}]` : ip}:${port}`;
}

function parseOrigin(url: string): { origin: string } | { errors: readonly string[] } {
  const parsed = URL.parse(url);
  if (parsed?.protocol === "http:") return { origin: parsed.origin };
  return { errors: [`--url: expected a URL like http://127.0.0.1:7085, got ${JSON.stringify(url)}`] };
}

/** Asks once; rejects with `Unreachable` where no answer comes within `timeoutMs`. */
export function askStatus(origin: string, path: string, timeoutMs: number): Promise<StatusReply> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(new Unreachable(`${origin}: ${error.message || String(error)}`));
    const asked = request(origin + path, { agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        clearTimeout(deadline);
        resolve({ status: response.statusCode ?? 0, text: text.trimEnd(), body: parseBody(text) });
      });
      response.on("error", fail);
    });
    const deadline = setTimeout(() => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    asked.on("error", (error) => {
      clearTimeout(deadline);
      fail(error);
    });
    asked.end();
  });
}

function parseBody(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

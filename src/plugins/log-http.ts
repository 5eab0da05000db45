import { version } from "../lib/version.ts";
import { isHeaderName, isHeaderText, utf8Bytes } from "../plugin/header-text.ts";
import { createHttpCaller, type HttpAnswer, type HttpCaller } from "./http-call.ts";

/** How log plugins send over HTTP. */
export interface LogHttpOptions {
  readonly timeoutMs: number;
  readonly verifyTls: boolean;
  readonly keepalive?: boolean;
  readonly keepaliveTimeoutMs?: number;
  readonly keepalivePool?: number;
  /** Bytes of an answer; absent: 1 MiB. */
  readonly maxAnswer?: number;
}

/** Batches on their way to one server at the same time. */
export const HTTP_CONCURRENCY = 8;

/** Posts to an address. */
export interface LogHttp {
  /** Rejects where there is no whole answer in time; any status resolves. */
  post(body: string | Uint8Array, headers: Readonly<Record<string, string>>): Promise<HttpAnswer>;
  /** The same with GET. */
  get(headers: Readonly<Record<string, string>>): Promise<HttpAnswer>;
  close(): void;
}

/**
 * Opens nothing before the first use. Throws where `address`, which is the attribute `name`, is no
 * address of HTTP.
 */
export function createLogHttp(name: string, address: string, options: LogHttpOptions): LogHttp {
  const url = httpUrl(name, address);
  let caller: HttpCaller | null = null;
  const ask = (method: string, headers: Readonly<Record<string, string>>, body: Uint8Array | null) => {
    caller ??= createHttpCaller({
      url,
      timeoutMs: options.timeoutMs,
      keepalive: options.keepalive ?? true,
      keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? 60_000,
      keepalivePool: options.keepalivePool ?? 5,
      verifyTls: options.verifyTls,
      ...(options.maxAnswer === undefined ? {} : { maxAnswer: options.maxAnswer }),
    });
    return caller.ask({ method, headers: { "User-Agent": `Turnpike/${version}`, ...headers }, body });
  };
  return {
    post(content, headers) {
      const body = typeof content === "string" ? Buffer.from(content) : content;
      return ask("POST", { ...headers, "Content-Length": String(body.length) }, body);
    },
    get: (headers) => ask("GET", headers, null),
    close() {
      caller?.close();
    },
  };
}

/** The address that an attribute holds; throws where it is none. */
export function httpUrl(name: string, address: string): URL {
  const url = URL.parse(address);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new Error(`${name}: no address of HTTP: ${address}`);
  }
  return url;
}

/** Configured headers as they are sent; throws where they cannot be. Values may be secrets and are not told. */
export function logHeaders(name: string, headers: Readonly<Record<string, unknown>> = {}): Record<string, string> {
  const sent: Record<string, string> = {};
  for (const [header, value] of Object.entries(headers)) {
    const text = String(value);
    if (!isHeaderName(header)) throw new Error(`${name}: ${JSON.stringify(header)} is no name of a header`);
    if (!isHeaderText(text)) throw new Error(`${name}: the value of ${header} holds control characters`);
    sent[header] = utf8Bytes(text);
  }
  return sent;
}

/** Why a server did not take a batch, with the beginning of what it says. */
export function refusal(what: string, { status, body }: HttpAnswer): Error {
  const text = body.subarray(0, 200).toString("utf8").trim();
  return new Error(`${what} answered ${status}${text === "" ? "" : `: ${text}`}`);
}

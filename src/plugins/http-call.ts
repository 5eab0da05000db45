import type { ClientRequest, IncomingMessage } from "node:http";
import { loadHttps } from "../lib/lazy-https.ts";
import { Agent as HttpAgent, request as httpRequest } from "../lib/node-http.ts";
import { readAtMost } from "../lib/read-at-most.ts";

/** Questions of plugins to a service over HTTP: everything about them is bounded. */

export interface HttpCallerOptions {
  readonly url: URL;
  /** For the whole call, in milliseconds. */
  readonly timeoutMs: number;
  readonly keepalive: boolean;
  /** How long a connection may idle, in milliseconds. */
  readonly keepaliveTimeoutMs: number;
  /** Connections that may idle. */
  readonly keepalivePool: number;
  readonly verifyTls: boolean;
  /** Bytes of an answer's body; absent: 1 MiB. */
  readonly maxAnswer?: number;
}

/** A question; header values are one character per byte. */
export interface HttpQuestion {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
}

export interface HttpAnswer {
  readonly status: number;
  /** A header by lower-case name; several are joined with `, `. */
  readonly header: (name: string) => string | undefined;
  readonly body: Buffer;
}

/** Asks one service. Whoever creates it closes it. */
export interface HttpCaller {
  /** Rejects where there is no whole answer in time, or one that is too large. Redirects are not followed. */
  ask(question: HttpQuestion): Promise<HttpAnswer>;
  close(): void;
}

/** Connections at a time to one service; further questions wait within their time. */
const MAX_CONNECTIONS = 256;
/** Bytes of an answer's body where nothing else is said. */
const MAX_ANSWER = 1_048_576;

/** Opens nothing before the first question. */
export function createHttpCaller(options: HttpCallerOptions): HttpCaller {
  const { url, timeoutMs, maxAnswer = MAX_ANSWER } = options;
  const https = url.protocol === "https:" ? loadHttps() : null;
  const connections = {
    keepAlive: options.keepalive,
    maxSockets: MAX_CONNECTIONS,
    maxFreeSockets: options.keepalivePool,
    timeout: options.keepaliveTimeoutMs,
  };
  const agent =
    https === null
      ? new HttpAgent(connections)
      : new https.Agent({ ...connections, rejectUnauthorized: options.verifyTls });
  const send = https === null ? httpRequest : https.request;

  function ask({ method, headers, body }: HttpQuestion, again: boolean): Promise<HttpAnswer> {
    return new Promise<HttpAnswer>((resolve, reject) => {
      const request = send(url, { agent, method, headers });
      // HTTP/1.1 keeps connections by itself.
      if (options.keepalive) request.removeHeader("Connection");
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      const settle = (): void => clearTimeout(timer);
      request.once("error", (error) => {
        settle();
        if (again && closedWhileIdle(request, error)) ask({ method, headers, body }, false).then(resolve, reject);
        else reject(error);
      });
      request.once("response", (response) => {
        readAnswer(response, maxAnswer).then(resolve, reject).finally(settle);
      });
      request.end(body ?? undefined);
    });
  }

  return {
    ask: (question) => ask(question, true),
    close() {
      agent.destroy();
    },
  };
}

/** A kept connection that its server closed just as it was used again: no fault of the question. */
function closedWhileIdle(request: ClientRequest, error: NodeJS.ErrnoException): boolean {
  return request.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
}

async function readAnswer(response: IncomingMessage, maxAnswer: number): Promise<HttpAnswer> {
  const body = await readAtMost(response, maxAnswer);
  if (body === null) throw new Error(`an answer of more than ${maxAnswer} bytes`);
  if (!response.complete) throw new Error("the answer broke off");
  const { headersDistinct: headers } = response;
  return {
    status: response.statusCode ?? 0,
    header: (name) => headers[name]?.join(", "),
    body,
  };
}

import type { ServerResponse } from "node:http";
import { STATUS_CODES } from "../lib/node-http.ts";

/** Answers of the Status API: JSON with a newline at its end, never stored by caches. */

/** An answer whose bytes are made before anybody asks. */
export interface Answer {
  readonly status: number;
  /** Pairs of names and values as `writeHead` takes them. */
  readonly headers: string[];
  readonly body: Buffer;
}

/** Builds an answer from a value; `extra` are further header names and values, in turn. */
export function jsonAnswer(status: number, value: object, extra: readonly string[] = []): Answer {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  return { status, headers: [...jsonHeaders(body.length), ...extra], body };
}

/** The answer `{"status":"error","error":…}`; further members of the body in `more`. */
export function errorAnswer(status: number, error: string, more: object = {}, extra: readonly string[] = []): Answer {
  return jsonAnswer(status, { status: "error", error, ...more }, extra);
}

/** `{"status":"ok"}`. */
export const okAnswer: Answer = jsonAnswer(200, { status: "ok" });

/**
 * Sends an answer. A body that the client announced is not waited for: the
 * connection ends with the answer, so nothing of it is ever read.
 */
export function send(response: ServerResponse, answer: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const { headers } = response.req;
  if (headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0") {
    response.shouldKeepAlive = false;
  }
  response.writeHead(answer.status, answer.headers);
  // Node leaves the body of an answer to HEAD out by itself.
  response.end(answer.body);
}

/** An answer as bytes, for requests that Node's parser refused. */
export function rawAnswer(answer: Answer): Buffer {
  const lines = [`HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}`];
  for (let i = 0; i < answer.headers.length; i += 2) lines.push(`${answer.headers[i]}: ${answer.headers[i + 1]}`);
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`, "latin1"), answer.body]);
}

/** Keeps the last error's answer: a gateway that is not ready is asked the same for a while. */
export function createErrorCache(status: number): (error: string) => Answer {
  let lastError: string | null = null;
  let last = okAnswer;
  return (error) => {
    if (error !== lastError) {
      last = errorAnswer(status, error);
      lastError = error;
    }
    return last;
  };
}

function jsonHeaders(length: number): string[] {
  return ["Content-Type", "application/json", "Cache-Control", "no-store", "Content-Length", String(length)];
}

import type { IncomingMessage, ServerResponse } from "node:http";
import { refuse } from "./answers.ts";
import type { AdminAnswer } from "./exchange.ts";

/** How much of a body that is too long is read all the same: who still sends does not see an answer. */
const DRAIN_BYTES = 16 * 1024 * 1024;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads the body of a request whole, as UTF-8; what to answer where it is longer
 * than `limit` bytes or no text. Rejects when the client goes away.
 */
export async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  limit: number,
): Promise<string | AdminAnswer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  const waits = /^100-continue$/i.test(request.headers.expect ?? "");
  if (announced > (waits ? limit : DRAIN_BYTES)) return tooLarge(limit);
  if (waits) response.writeContinue();
  const body = await collect(request, limit);
  if (body === null) return tooLarge(limit);
  try {
    return utf8.decode(body);
  } catch {
    return refuse(400, "invalid request body: not UTF-8");
  }
}

/** `null`: longer than the limit. An async iterator would end the connection with the reading. */
function collect(request: IncomingMessage, limit: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) chunks.push(chunk);
      else if (size > Math.max(limit, DRAIN_BYTES)) resolve(null);
    });
    request.once("end", () => resolve(size > limit ? null : Buffer.concat(chunks, size)));
    request.once("close", () => {
      // Every request is closed at some time; an error for each would cost more than its body.
      if (!request.complete) reject(new Error("the client went away"));
    });
  });
}

function tooLarge(limit: number): AdminAnswer {
  return refuse(413, `the request body is greater than the maximum size ${limit} allowed`);
}

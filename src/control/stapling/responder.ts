import type { IncomingMessage } from "node:http";
import { request } from "../../lib/node-http.ts";
import { readAtMost } from "../../lib/read-at-most.ts";

/** Time for a whole exchange. */
const LIMIT_MS = 10_000;
/** Responses are a few hundred bytes, with the certificates of their signer a few thousand. */
const MAX_BYTES = 65_536;

/** Asks a responder over HTTP (RFC 6960, appendix A.1); rejects with a reason of one line. */
export async function askResponder(url: string, body: Uint8Array, signal: AbortSignal): Promise<Buffer> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  try {
    const response = await send(new URL(url), body, limit);
    if (response.statusCode !== 200) {
      response.destroy();
      throw new Error(`it answers with status ${response.statusCode}`);
    }
    const answer = await readAtMost(response, MAX_BYTES);
    if (answer === null) throw new Error(`its answer is larger than ${MAX_BYTES} bytes`);
    return answer;
  } catch (error) {
    const timeout = limit.aborted && !signal.aborted;
    throw timeout ? new Error(`no answer within ${LIMIT_MS / 1_000} s`, { cause: error }) : error;
  }
}

function send(url: URL, body: Uint8Array, signal: AbortSignal): Promise<IncomingMessage> {
  const headers = {
    "Content-Type": "application/ocsp-request",
    "Content-Length": body.length,
    Accept: "application/ocsp-response",
    Connection: "close",
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: "POST", headers, signal, agent: false });
    sent.on("error", reject);
    sent.on("response", resolve);
    sent.end(body);
  });
}

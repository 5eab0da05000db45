import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answerOcsp, type OcspAnswer } from "../../src/tls/testing.ts";

/** An OCSP responder, whose answers the `openssl` command makes. */
export interface Responder {
  /** Ends with a slash; each certificate has a path of its own below. */
  readonly url: string;
  /** What is said at which path; 500 anywhere else. */
  readonly answers: Map<string, OcspAnswer>;
  close(): void;
}

/** Starts a responder; the caller closes it. */
export async function startResponder(): Promise<Responder> {
  const answers = new Map<string, OcspAnswer>();
  const server = createServer((request, response) => {
    const answer = answers.get(request.url?.slice(1) ?? "");
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.writeHead(answer === undefined ? 500 : 200, { "Content-Type": "application/ocsp-response" });
      response.end(answer === undefined ? "" : answerOcsp(Buffer.concat(chunks), answer));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, answers, close: () => server.close() };
}

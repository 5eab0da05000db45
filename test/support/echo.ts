import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import type { Reply } from "./client.ts";
import { type Origin, startOrigin } from "./origin.ts";

/** What an echoing origin received. */
export interface Echo {
  readonly origin: string;
  readonly method: string;
  /** The request target, byte for byte. */
  readonly uri: string;
  /** `Name: value`, in order and case. */
  readonly headers: readonly string[];
  readonly body: string;
  /** Which connection to this origin, counted from 1, and which request on it. */
  readonly connection: number;
  readonly requestOnConnection: number;
}

/** An origin that answers with what it received, as JSON. */
export async function startEcho(t: TestContext, name = "echo"): Promise<Origin> {
  const seen = new Map<Socket, { readonly number: number; requests: number }>();
  return await startOrigin(t, name, (request, response) => {
    const connection = seen.get(request.socket) ?? { number: seen.size + 1, requests: 0 };
    seen.set(request.socket, connection);
    const requestOnConnection = ++connection.requests;
    void readBody(request).then((body) => {
      const echo: Echo = {
        origin: name,
        method: request.method ?? "",
        uri: request.url ?? "",
        headers: headerLines(request.rawHeaders),
        body,
        connection: connection.number,
        requestOnConnection,
      };
      response.setHeader("Content-Type", "application/json");
      // The body is latin1, one character a byte: `ask` reads it so.
      response.end(JSON.stringify(echo), "latin1");
    }, brokenOff);
  });
}

/** What the origin received of the request that got this answer. */
export function echoOf(reply: Pick<Reply, "text">): Echo {
  return JSON.parse(reply.text) as Echo;
}

/** `rawHeaders` as `Name: value`. */
export function headerLines(rawHeaders: readonly string[]): readonly string[] {
  return rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1]}`] : []));
}

/** A request whose body does not come to its end gets no answer. */
const brokenOff = (): void => undefined;

async function readBody(request: IncomingMessage): Promise<string> {
  let body = "";
  request.setEncoding("latin1");
  for await (const chunk of request) body += chunk as string;
  return body;
}

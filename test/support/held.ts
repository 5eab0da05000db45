import { request, type ClientRequest, type ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { ask, type Reply } from "./client.ts";
import type { Gateway } from "./gateway.ts";
import { type Origin, startOrigin } from "./origin.ts";

/** Answers at once with the status at the end of the path; `held`: when it is told to. */
export async function startHeldOrigin(
  t: TestContext,
): Promise<Origin & { held(count: number): Promise<ServerResponse[]> }> {
  const waiting: ServerResponse[] = [];
  let wake: (() => void) | null = null;
  const origin = await startOrigin(t, "held", (incoming, response) => {
    const end = incoming.url?.split("?")[0]?.split("/").at(-1) ?? "";
    if (end === "held") {
      waiting.push(response);
      wake?.();
    } else {
      response.statusCode = Number(end);
      response.end("ok");
    }
  });
  return Object.assign(origin, {
    async held(count: number) {
      while (waiting.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return waiting.splice(0);
    },
  });
}

/** So many requests at the same time, each on a connection of its own. */
export const atOnce = async (gateway: Gateway, count: number, path: string): Promise<Reply[]> =>
  await Promise.all(Array.from({ length: count }, () => ask(gateway.httpPort, path)));

/** Answers by status. */
export function tally(replies: readonly Reply[]): Readonly<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** A request that may be aborted, and the status of its answer; 0 where the connection ended before. */
export interface Started {
  readonly client: ClientRequest;
  readonly status: Promise<number>;
}

/** Begins a request. */
export function start({ httpPort: port }: Gateway, path: string): Started {
  const client = request({ host: "127.0.0.1", port, path, agent: false });
  client.on("error", () => undefined);
  const status = new Promise<number>((resolve) => {
    client.once("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    client.once("close", () => resolve(0));
  });
  client.end();
  return { client, status };
}

/** The statuses of the first answers that come, so many of them. */
export async function firstAnswers(started: readonly Started[], count: number): Promise<number[]> {
  const answers: number[] = [];
  await new Promise<void>((resolve) => {
    for (const { status } of started) {
      void status.then((code) => {
        if (answers.push(code) === count) resolve();
      });
    }
  });
  return answers;
}

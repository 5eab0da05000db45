import { request } from "node:http";
import type { State } from "../status/state-body.ts";
import { notForUs, Unreachable } from "./status-client.ts";

/** The gateway sends something every second: a line that is silent for longer is dead. */
const SILENT_MS = 5000;
/** A gateway sends less in one event. */
const MAX_EVENT_CHARS = 16 * 1024 * 1024;

/** An event of the journal; it has more members than these. */
export interface JournalLine {
  readonly id: number;
  /** ISO 8601. */
  readonly at: string;
  readonly type: string;
  readonly severity: "ok" | "info" | "warning" | "error";
  readonly text: string;
}

/** Parts of the state that have changed, with the gateway's time. */
export type StateChange = Partial<State> & { readonly at: string };

/** What a gateway tells. */
export interface StatusListener {
  state(change: StateChange): void;
  /** Requests per second of each worker in the last minute, once. */
  history(requestsPerSecond: readonly (readonly number[])[]): void;
  event(event: JournalLine): void;
}

/** The Status API answers, but not with its events. */
export class Refused extends Error {}

/**
 * Follows the state and the journal of a gateway, from the event after `after` on, until
 * the line ends, and then rejects: with `Refused` where it is not for us, else with `Unreachable`.
 */
export async function followStatus(
  origin: string,
  after: number,
  listener: StatusListener,
  signal: AbortSignal,
): Promise<never> {
  return await new Promise((_, reject) => {
    const headers = { accept: "text/event-stream" };
    const path = `${origin}/status/events?state&after=${after}`;
    const asked = request(path, { agent: false, headers, signal, timeout: SILENT_MS }, (response) => {
      const { statusCode = 0 } = response;
      if (statusCode !== 200 || response.headers["content-type"] !== "text/event-stream") {
        response.resume();
        reject(new Refused(refusal(origin, statusCode)));
        return;
      }
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          pass(text.slice(0, end), listener);
          text = text.slice(end + 2);
        }
        if (text.length > MAX_EVENT_CHARS) asked.destroy(new Error("an event is too long"));
      });
      const ended = (): void => reject(new Unreachable(`${origin}: the line was closed`));
      response.on("error", ended).on("end", ended);
    });
    asked.on("timeout", () => asked.destroy(new Error(`silent for ${SILENT_MS / 1000} s`)));
    asked.on("error", (error) => reject(new Unreachable(`${origin}: ${error.message || String(error)}`)));
    asked.end();
  });
}

function refusal(origin: string, status: number): string {
  if (status === 403) return notForUs;
  if (status === 503) return "too many clients follow the events";
  return `${origin} is not the Status API of a Turnpike (${status})`;
}

/** One event of the stream (WHATWG HTML, 9.2.6); ours have one line of data. */
function pass(frame: string, listener: StatusListener): void {
  const [, name] = /^event: (.*)$/m.exec(frame) ?? [];
  const [, data] = /^data: (.*)$/m.exec(frame) ?? [];
  if (name === undefined || data === undefined) return;
  const value = JSON.parse(data) as object;
  if (name === "state") listener.state(value as StateChange);
  else if (name === "journal") listener.event(value as JournalLine);
  else if (name === "history") {
    listener.history((value as { requests_per_second: readonly (readonly number[])[] }).requests_per_second);
  }
}

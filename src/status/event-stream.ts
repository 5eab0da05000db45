import type { IncomingMessage, ServerResponse } from "node:http";
import type { Journal, JournalRecord } from "./journal.ts";
import type { LiveState } from "./live-state.ts";
import { isoTime } from "./reports.ts";
import { describeEvent } from "./words.ts";

/** A comment line this often keeps the connection, and whatever stands between, from timing out. */
const HEARTBEAT_MS = 15_000;
/** A client that has this much unread is gone for practical purposes; it may come back with its last id. */
const MAX_UNREAD_BYTES = 256 * 1024;
/** With this much unread it gets no newer states before it has caught up: they replace each other anyway. */
const BEHIND_BYTES = 64 * 1024;

/** An event as it is shown: its time as ISO 8601, in words, names with underscores. */
export function eventBody(record: JournalRecord): Record<string, unknown> {
  const { id, at, type, ...rest } = record;
  const body: Record<string, unknown> = { id, at: isoTime(at), type, ...describeEvent(record) };
  for (const [name, value] of Object.entries(rest)) {
    body[name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = value;
  }
  return body;
}

/** What a stream is about. */
export interface StreamContent {
  readonly journal: Journal;
  /** The kept events after this id come first. */
  readonly from: number;
  /** The state that is sent along; `null`: events alone. */
  readonly live: LiveState | null;
}

/**
 * Follows the journal as Server-Sent Events (WHATWG HTML, 9.2), beginning with the
 * state, where it is asked for, and the kept events. Returns how to end the stream, or `null` where too many
 * follow already and nothing was sent.
 */
export function streamEvents(
  { journal, from, live }: StreamContent,
  request: IncomingMessage,
  response: ServerResponse,
): (() => void) | null {
  const write = (text: string): void => {
    response.write(text);
    if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  };
  const frame = live === null ? eventFrame : journalFrame;
  const unsubscribe = journal.subscribe((record) => write(frame(record)));
  if (unsubscribe === null) return null;
  const heartbeat = setInterval(() => write(": alive\n\n"), HEARTBEAT_MS);
  heartbeat.unref();
  let unfollow = (): void => undefined;
  response.on("close", () => {
    clearInterval(heartbeat);
    unsubscribe();
    unfollow();
  });
  request.socket.setTimeout(0);
  response.writeHead(200, ["Content-Type", "text/event-stream", "Cache-Control", "no-store"]);
  if (request.method === "HEAD") {
    response.end();
    return () => undefined;
  }
  response.write("retry: 1000\n\n");
  if (live !== null) unfollow = live.follow({ write, isBehind: () => response.writableLength > BEHIND_BYTES });
  for (const record of journal.after(from)) response.write(frame(record));
  return () => response.end();
}

function eventFrame(record: JournalRecord, name: string = record.type): string {
  return `id: ${record.id}\nevent: ${name}\ndata: ${JSON.stringify(eventBody(record))}\n\n`;
}

/** One name for events of every type: a browser must know the names it listens for. */
function journalFrame(record: JournalRecord): string {
  return eventFrame(record, "journal");
}

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Journal, JournalRecord } from "./journal.ts";
import { isoTime } from "./reports.ts";

/** A comment line this often keeps the connection, and whatever stands between, from timing out. */
const HEARTBEAT_MS = 15_000;
/** A client that has this much unread is gone for practical purposes; it may come back with its last id. */
const MAX_UNREAD_BYTES = 256 * 1024;

/** An event as it is shown: its time as ISO 8601, names with underscores. */
export function eventBody(record: JournalRecord): Record<string, unknown> {
  const { id, at, type, ...rest } = record;
  const body: Record<string, unknown> = { id, at: isoTime(at), type };
  for (const [name, value] of Object.entries(rest)) {
    body[name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = value;
  }
  return body;
}

/**
 * Follows the journal as Server-Sent Events (WHATWG HTML, 9.2), beginning with the
 * kept events after `from`. Returns how to end the stream, or `null` where too many
 * follow already and nothing was sent.
 */
export function streamEvents(
  journal: Journal,
  from: number,
  request: IncomingMessage,
  response: ServerResponse,
): (() => void) | null {
  const write = (text: string): void => {
    response.write(text);
    if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  };
  const unsubscribe = journal.subscribe((record) => write(frame(record)));
  if (unsubscribe === null) return null;
  const heartbeat = setInterval(() => write(": alive\n\n"), HEARTBEAT_MS);
  heartbeat.unref();
  response.on("close", () => {
    clearInterval(heartbeat);
    unsubscribe();
  });
  request.socket.setTimeout(0);
  response.writeHead(200, ["Content-Type", "text/event-stream", "Cache-Control", "no-store"]);
  if (request.method === "HEAD") {
    response.end();
    return () => undefined;
  }
  response.write("retry: 1000\n\n");
  for (const record of journal.after(from)) response.write(frame(record));
  return () => response.end();
}

function frame(record: JournalRecord): string {
  return `id: ${record.id}\nevent: ${record.type}\ndata: ${JSON.stringify(eventBody(record))}\n\n`;
}

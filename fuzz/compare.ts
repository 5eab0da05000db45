import { differences, type Disagreement } from "./differences.ts";
import type { Message, Reading } from "./message.ts";

const ASPECTS = ["method", "target", "status", "minor", "fields", "body", "trailers", "keepAlive"] as const;

/** What another reader tells of, and when it stops. */
export interface Compared {
  readonly reader: Disagreement["reader"];
  /** Aspects that it does not report. */
  readonly without: readonly (keyof Message)[];
  /** It reads one response only. */
  readonly one: boolean;
}

/**
 * In what the other reader disagrees about the messages that we accept. What we refuse
 * is no disagreement: the connection ends there.
 */
export function disagreements(text: string, ours: Reading, theirs: Reading, how: Compared): Disagreement[] {
  const found: Disagreement[] = [];
  for (const [index, message] of ours.messages.entries()) {
    const other = theirs.messages[index] ?? null;
    const before = ours.messages.slice(0, index);
    const about = { reader: how.reader, text, ours: message, theirs: other, before, reason: theirs.refused ?? "" };
    if (other === null) {
      found.push({ ...about, aspect: theirs.refused === null ? "boundary" : "refused" });
      return found;
    }
    for (const aspect of ASPECTS) {
      // Interim responses say nothing of the connection.
      const silent = how.without.includes(aspect) || (aspect === "keepAlive" && isInterim(message));
      if (silent || same(message[aspect], other[aspect])) continue;
      found.push({ ...about, aspect });
    }
    if (how.one || !message.keepAlive) return found;
  }
  const extra = theirs.messages[ours.messages.length];
  if (extra !== undefined && ours.refused === null) {
    found.push({
      reader: how.reader,
      text,
      ours: extra,
      theirs: extra,
      before: ours.messages,
      aspect: "boundary",
      reason: "",
    });
  }
  return found;
}

function isInterim({ status }: Message): boolean {
  return status > 0 && status < 200;
}

function same(a: unknown, b: unknown): boolean {
  return typeof a === "object" ? JSON.stringify(a) === JSON.stringify(b) : a === b;
}

/** The class of the disagreement; `null`: nobody has explained it. */
export function explained(found: Disagreement): string | null {
  return differences.find((difference) => difference.explains(found))?.name ?? null;
}

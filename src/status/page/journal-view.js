import { byId, make, makeState, setText, show } from "./dom.js";
import { clockText } from "./format.js";

/**
 * An event of the journal; it has more members than the page needs.
 * @typedef {{ readonly id: number, readonly at: string, readonly type: string, readonly severity: "ok" | "info" | "warning" | "error", readonly text: string }} JournalEvent
 */

/** Events kept, as the gateway keeps them. */
const KEPT = 256;
/** Events shown before somebody asks for older ones. */
const SHOWN = 40;

/** The journal as a timeline, the newest first. The document never holds more than the gateway keeps. */
export function makeJournalView() {
  const list = byId("timeline");
  const more = byId("journal-more");
  /** The newest first. @type {JournalEvent[]} */
  let events = [];
  let shown = SHOWN;
  more.addEventListener("click", () => {
    shown = KEPT;
    trim();
    const first = list.children[SHOWN];
    if (first instanceof HTMLElement) first.focus();
  });

  /** Brings the document in step with the number of events that are to be seen. */
  function trim() {
    while (list.children.length > Math.min(shown, events.length)) list.lastElementChild?.remove();
    for (let i = list.children.length; i < Math.min(shown, events.length); i++) {
      const event = events[i];
      if (event !== undefined) list.append(entryOf(event));
    }
    show(more, events.length > shown);
    show(byId("journal-none"), events.length === 0);
  }

  return {
    /** @param {readonly JournalEvent[]} fresh The oldest first. */
    add(fresh) {
      if (fresh.length === 0) return;
      for (const event of fresh.slice(-KEPT)) {
        events.unshift(event);
        list.prepend(entryOf(event));
      }
      events.length = Math.min(events.length, KEPT);
      trim();
    },
    clear() {
      events = [];
      trim();
    },
  };
}

/** @param {JournalEvent} event */
function entryOf({ at, severity, text, type }) {
  const when = Date.parse(at);
  const time = make("time");
  time.dateTime = at;
  setText(time, clockText(when, Date.now()));
  const mark = makeState();
  mark.set(severity, text);
  const entry = make("li", "", time, mark.element);
  entry.dataset["type"] = type;
  entry.tabIndex = -1;
  return entry;
}

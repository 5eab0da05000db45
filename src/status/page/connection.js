/**
 * The line to the gateway: the state and the journal as Server-Sent Events. It comes
 * back by itself, and says when what it has told is no longer fresh.
 */

/** A gateway sends its state every second: after this time something is wrong. */
const STALE_MS = 3000;
/** After this time the line is opened anew, even where it looks open. */
const DEAD_MS = 8000;
const LONGEST_PAUSE_MS = 5000;

/**
 * @typedef {object} Handlers
 * @property {(state: Record<string, unknown>) => void} state Parts of the state that have changed.
 * @property {(history: { readonly requests_per_second: readonly (readonly number[])[] }) => void} history
 * @property {(event: import("./journal-view.js").JournalEvent) => void} event
 * @property {(fresh: boolean, silentMs: number) => void} freshness Called once a second.
 */

/**
 * Opens the line, for as long as the page is there.
 * @param {Handlers} handlers
 * @returns {{ restart(): void }} `restart` reads the journal anew from its beginning
 */
export function connect(handlers) {
  let lastId = 0;
  let heardAt = -Infinity;
  let openedAt = 0;
  let pause = 500;
  /** @type {EventSource | null} */
  let source = null;
  /** @type {number | undefined} */
  let retry;

  function open() {
    clearTimeout(retry);
    retry = undefined;
    source?.close();
    openedAt = performance.now();
    const opened = new EventSource(`status/events?state&after=${lastId}`);
    source = opened;
    /** @param {(data: any) => void} handle @returns {(message: MessageEvent<string>) => void} */
    const heard = (handle) => (message) => {
      if (source !== opened) return;
      heardAt = performance.now();
      pause = 500;
      handle(JSON.parse(message.data));
    };
    opened.addEventListener("state", heard(handlers.state));
    opened.addEventListener("history", heard(handlers.history));
    opened.addEventListener(
      "journal",
      heard((event) => {
        if (event.id <= lastId) return;
        lastId = event.id;
        handlers.event(event);
      }),
    );
    opened.addEventListener("error", () => {
      if (source === opened) later();
    });
  }

  /** The browser tries again by itself only after some failures: here it is always the same. */
  function later() {
    source?.close();
    source = null;
    if (retry !== undefined) return;
    retry = window.setTimeout(open, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }

  window.setInterval(() => {
    const now = performance.now();
    const silent = now - heardAt;
    handlers.freshness(silent < STALE_MS, silent);
    if (source !== null && now - Math.max(heardAt, openedAt) > DEAD_MS) later();
  }, 1000);
  open();

  return {
    restart() {
      lastId = 0;
      open();
    },
  };
}

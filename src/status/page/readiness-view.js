import { byId, keyedRows, make, makeState, setAttribute, setText, show } from "./dom.js";
import { count, lastingText, numberText, timeOf } from "./format.js";
import { makeSparkline } from "./sparkline.js";

/** @typedef {import("./main.js").View} View */

/** What each check says when it passes. @type {Readonly<Record<string, string>>} */
const passes = {
  draining: "Not draining",
  workers: "All workers report",
  configuration: "Configuration in force",
  responsive: "Workers respond",
};

/** What each check says when it fails. @type {Readonly<Record<string, string>>} */
const fails = {
  draining: "Draining",
  workers: "A worker is missing",
  configuration: "A worker lacks configuration",
  responsive: "A worker does not respond",
};

/** The verdict with its cause in words, the figures of the whole node, and the checks. */
export function makeReadinessView() {
  const hero = byId("hero");
  const verdict = byId("verdict");
  const mark = makeState();
  mark.element.classList.add("headline");
  verdict.replaceChildren(mark.element);
  const chart = makeSparkline("spark tall");
  byId("chart-requests").append(chart.element);
  const awaiting = byId("awaiting");
  const awaitingRows = keyedRows(
    awaiting,
    () => ({ element: make("li") }),
    (row, /** @type {import("../reports.ts").Awaited} */ one) =>
      setText(row.element, `Waiting for ${one.awaiting} (${lastingText(one.elapsed_ms)})`),
  );
  const checkRows = keyedRows(byId("checks"), makeCheck, updateCheck);

  return {
    /** @param {View} view */
    draw(view) {
      const { readiness, workers, config } = view.state;
      const { kind, title, meaning, advice } = describe(view);
      setAttribute(hero, "data-verdict", kind);
      mark.set(
        kind === "ready" ? "ok" : kind === "unready" ? "error" : kind === "draining" ? "warning" : "none",
        title,
      );
      setText(byId("verdict-since"), sinceText(view, kind));
      setText(byId("verdict-meaning"), meaning);
      setText(byId("verdict-advice"), advice);
      setText(byId("verdict-cause"), readiness.error ?? "");
      show(byId("verdict-cause"), readiness.error !== null && view.fresh);
      const waits = view.fresh ? readiness.awaiting : [];
      show(awaiting, waits.length > 0);
      awaitingRows(waits, (one) => `${one.check} ${one.worker}`);
      checkRows(
        readiness.checks.map((check) => ({ check, now: view.now })),
        ({ check }) => check.name,
      );
      const total = workers.reduce((sum, worker) => sum + worker.requests_per_second, 0);
      const running = workers.filter(({ state }) => state === "running").length;
      setText(byId("figure-requests"), numberText(total));
      setText(byId("figure-workers"), running === workers.length ? `${running}` : `${running} of ${workers.length}`);
      setText(byId("figure-connections"), numberText(workers.reduce((sum, { connections }) => sum + connections, 0)));
      setText(byId("figure-revision"), config.revision === 0 ? "none" : `${config.revision}`);
      chart.draw(view.samples.total);
    },
  };
}

/**
 * The verdict in words. What is not fresh is not claimed.
 * @param {View} view
 * @returns {{ kind: "ready" | "unready" | "draining" | "unknown", title: string, meaning: string, advice: string }}
 */
export function describe({ state: { readiness, config }, fresh }) {
  if (!fresh) {
    const was = readiness.ready ? "ready" : readiness.draining ? "draining" : "not ready";
    return {
      kind: "unknown",
      title: "Unknown",
      meaning: `The gateway does not answer. When it was last heard of, it was ${was}.`,
      advice: "This page tries again by itself.",
    };
  }
  if (readiness.ready) {
    const rejected = config.rejected_count;
    return {
      kind: "ready",
      title: "Ready",
      meaning: readiness.meaning,
      advice: rejected === 0 ? "" : `${count(rejected, "resource")} rejected, see Configuration.`,
    };
  }
  return {
    kind: readiness.draining ? "draining" : "unready",
    title: readiness.draining ? "Draining" : "Not ready",
    meaning: readiness.meaning,
    advice: readiness.advice ?? "",
  };
}

/**
 * @param {View} view
 * @param {string} kind
 * @returns {string}
 */
function sinceText({ state: { readiness }, now, silentMs }, kind) {
  if (kind === "unknown") return `for ${lastingText(silentMs)}`;
  const since = timeOf(readiness.since);
  return Number.isNaN(since) ? "" : `for ${lastingText(now - since)}`;
}

function makeCheck() {
  const state = makeState();
  const since = make("span", "quiet");
  return { element: make("li", "", state.element, " ", since), state, since };
}

/**
 * @param {ReturnType<typeof makeCheck>} row
 * @param {{ readonly check: import("../state-body.ts").CheckRow, readonly now: number }} item
 */
function updateCheck(row, { check, now }) {
  const ok = check.status === "ok";
  const source = check.name.startsWith("discovery/") ? check.name.slice("discovery/".length) : null;
  const words =
    source === null
      ? ((ok ? passes : fails)[check.name] ?? check.name)
      : `${source} discovery ${ok ? "has delivered" : "has not delivered"}`;
  row.state.set(ok ? "ok" : check.name === "draining" ? "warning" : "error", words);
  setText(row.since, ok ? "" : `for ${lastingText(now - timeOf(check.since))}`);
}

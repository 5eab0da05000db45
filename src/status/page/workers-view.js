import { byId, keyedRows, make, makeCell, makeState, setAttribute, setText } from "./dom.js";
import { clockText, lastingText, numberText, spanText, timeOf } from "./format.js";
import { makeSparkline } from "./sparkline.js";

/**
 * @typedef {object} Item
 * @property {import("../reports.ts").WorkerRow} worker
 * @property {readonly number[]} samples
 * @property {number} newest The newest revision.
 * @property {number} now
 */

/** What a state of a worker means, beside its word. @type {Readonly<Record<string, import("./dom.js").Mark>>} */
const marks = { running: "ok", starting: "wait", draining: "warning", unresponsive: "error", absent: "error" };

/** Event-loop delays from which on it is worth a look, milliseconds. */
const SLOW_MS = 100;

/** A row for each worker id. */
export function makeWorkersView() {
  const rows = keyedRows(byId("worker-rows"), makeRow, updateRow);
  return {
    /** @param {import("./main.js").View} view */
    draw({ state: { workers, config }, samples, now }) {
      rows(
        workers.map((worker, i) => ({ worker, samples: samples.of(i), newest: config.revision, now })),
        ({ worker }) => worker.id,
      );
    },
  };
}

/** @param {Item} item */
function makeRow({ worker }) {
  const name = make("th", "", `Worker ${worker.id}`);
  name.scope = "row";
  const state = makeState();
  const requests = make("span", "number");
  const spark = makeSparkline("spark");
  const rate = makeCell("Requests/s", requests, " ");
  rate.append(spark.element);
  const connections = makeCell("Connections");
  const heartbeat = makeCell("Heartbeat");
  const delay = makeState();
  const revision = makeState();
  const generation = makeCell("Generation");
  const restarts = make("span");
  const why = make("span", "why");
  const element = make(
    "tr",
    "",
    name,
    makeCell("State", state.element),
    rate,
    connections,
    heartbeat,
    makeCell("Loop delay", delay.element),
    makeCell("Revision", revision.element),
    generation,
    makeCell("Restarts", restarts, " ", why),
  );
  return { element, state, requests, spark, connections, heartbeat, delay, revision, generation, restarts, why };
}

/**
 * @param {ReturnType<typeof makeRow>} row
 * @param {Item} item
 */
function updateRow(row, { worker, samples, newest, now }) {
  const there = worker.state !== "absent";
  setAttribute(row.element, "data-state", worker.state);
  row.state.set(marks[worker.state] ?? "none", worker.state);
  setText(row.requests, numberText(worker.requests_per_second));
  row.spark.draw(samples);
  setText(row.connections, numberText(worker.connections));
  setText(row.heartbeat, worker.heartbeat_age_ms === null ? "–" : `${spanText(worker.heartbeat_age_ms)} ago`);
  const slow = (worker.event_loop_delay_ms ?? 0) >= SLOW_MS;
  row.delay.set(
    slow ? "warning" : "none",
    worker.event_loop_delay_ms === null ? "–" : `${spanText(worker.event_loop_delay_ms)}${slow ? ", slow" : ""}`,
  );
  row.delay.element.classList.toggle("plain", !slow);
  const behind = there && worker.revision < newest;
  row.revision.set(
    behind ? "wait" : "none",
    worker.revision === 0 ? "none" : `${worker.revision}${behind ? ", behind" : ""}`,
  );
  row.revision.element.classList.toggle("plain", !behind);
  setText(row.generation, `${worker.generation ?? "–"}`);
  setText(row.restarts, `${worker.restarts}`);
  const last = worker.last_exit;
  const at = timeOf(last?.at ?? null);
  setText(row.why, last === null ? "" : `last ${lastingText(now - at)} ago: ${last.cause}`);
  row.why.title = last === null ? "" : clockText(at, now);
}

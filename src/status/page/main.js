import { connect } from "./connection.js";
import { makeConfigView } from "./config-view.js";
import { byId, setAttribute, setText, show } from "./dom.js";
import { lastingText, timeOf } from "./format.js";
import { makeJournalView } from "./journal-view.js";
import { makeNodesView } from "./nodes-view.js";
import { describe, makeReadinessView } from "./readiness-view.js";
import { makeSamples } from "./sparkline.js";
import { makeWorkersView } from "./workers-view.js";

/** @typedef {import("../state-body.ts").State} State */

/**
 * What there is to be drawn.
 * @typedef {object} View
 * @property {State} state
 * @property {ReturnType<typeof makeSamples>} samples Requests per second of each worker.
 * @property {number} now By the gateway's clock, Unix milliseconds.
 * @property {boolean} fresh Whether the gateway has been heard of just now.
 * @property {number} silentMs For how long it has not.
 */

/** @type {Partial<State>} */
const known = {};
const samples = makeSamples();
/** Events that are not drawn yet; never more than the journal keeps. @type {import("./journal-view.js").JournalEvent[]} */
let arrived = [];
const PENDING = 256;
/** By how much the gateway's clock is ahead of this one. */
let ahead = 0;
let fresh = false;
let silentMs = Infinity;
let drawing = false;
/** What was announced last. */
let announced = "";

const journal = makeJournalView();
const views = [makeReadinessView(), makeWorkersView(), makeConfigView(), makeNodesView()];

const line = connect({
  state({ at, ...parts }) {
    ahead = timeOf(String(at)) - Date.now();
    const before = known.node?.started_at;
    Object.assign(known, parts);
    if (known.workers !== undefined && "workers" in parts) {
      samples.add(
        known.workers.map((worker) => worker.requests_per_second),
        timeOf(String(at)),
      );
    }
    heard();
    if (before !== undefined && known.node?.started_at !== before) {
      // Another run of the gateway has another journal.
      arrived = [];
      journal.clear();
      line.restart();
    }
  },
  history: ({ requests_per_second }) => samples.reset(requests_per_second),
  event(event) {
    arrived.push(event);
    if (arrived.length > PENDING) arrived.shift();
    heard();
  },
  freshness(isFresh, silent) {
    silentMs = silent;
    fresh = isFresh && known.readiness !== undefined;
    draw();
  },
});

function heard() {
  silentMs = 0;
  fresh = known.readiness !== undefined;
  draw();
}

/** Draws once for everything that has come since the last frame; the title is for hidden tabs too. */
function draw() {
  const state = complete();
  if (state !== null) drawTitle({ state, samples, now: Date.now() + ahead, fresh, silentMs });
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawConnection();
    const now = complete();
    if (now === null) return;
    const view = { state: now, samples, now: Date.now() + ahead, fresh, silentMs };
    for (const one of views) one.draw(view);
    drawNode(view);
    drawBanner(view);
    journal.add(arrived);
    arrived = [];
  });
}

/** The state, once every part has come. @returns {State | null} */
function complete() {
  return known.readiness === undefined || known.workers === undefined || known.config === undefined
    ? null
    : /** @type {State} */ (known);
}

function drawConnection() {
  const state = fresh ? "live" : known.readiness === undefined ? "connecting" : "stale";
  setAttribute(document.body, "data-connection", state);
  const words = { live: "Live", connecting: "Connecting…", stale: `Stale, reconnecting…` };
  setText(byId("connection"), words[state]);
}

/** @param {View} view */
function drawNode({ state: { node }, now }) {
  const up = timeOf(node.started_at);
  setText(
    byId("node"),
    `${node.name} · ${node.role.replaceAll("_", " ")} · version ${node.version} · up ${lastingText(now - up)}`,
  );
}

/** @param {View} view */
function drawBanner({ state: { readiness }, now }) {
  const banner = byId("banner");
  const draining = readiness.checks.find(({ name }) => name === "draining");
  if (!fresh) {
    setAttribute(banner, "data-kind", "stale");
    setText(banner, `The gateway does not answer. What you see is from ${lastingText(silentMs)} ago. Reconnecting…`);
  } else if (readiness.draining) {
    setAttribute(banner, "data-kind", "draining");
    const since = lastingText(now - timeOf(draining?.since ?? null));
    setText(banner, `Draining for ${since}: new traffic should go elsewhere; what arrives is still served.`);
  }
  show(banner, !fresh || readiness.draining);
}

/** The title and the icon tell the verdict where only a tab is seen; it is announced where nothing is. @param {View} view */
function drawTitle(view) {
  const { kind, title, meaning } = describe(view);
  const text = `${title} · ${view.state.node.name} · Turnpike`;
  if (document.title !== text) document.title = text;
  const icon = `page/icon-${kind === "ready" ? "ready" : kind === "unknown" ? "unknown" : "unready"}.svg`;
  setAttribute(byId("favicon"), "href", icon);
  if (announced !== kind) {
    announced = kind;
    setText(byId("announcer"), `${title}. ${meaning}`);
  }
}

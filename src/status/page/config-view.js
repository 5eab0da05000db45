import { byId, keyedRows, make, makeState, setText, show } from "./dom.js";
import { clockText, count, lastingText, spanText, timeOf } from "./format.js";

/** Where a configuration comes from, in words. @type {Readonly<Record<string, string>>} */
const sources = {
  yaml: "File, YAML",
  json: "File, JSON",
  api: "Pushed through the Admin API",
  embedded: "Embedded store",
  etcd: "etcd",
};

/** @type {Readonly<Record<string, readonly [import("./dom.js").Mark, string]>>} */
const states = {
  synced: ["ok", "in force everywhere"],
  converging: ["wait", "on its way to the workers"],
  degraded: ["warning", "degraded"],
  never_loaded: ["error", "never loaded"],
};

/** The configuration as facts, and what of it was rejected. */
export function makeConfigView() {
  const facts = byId("config-facts");
  /** @param {string} label */
  const fact = (label) => {
    const value = make("dd");
    facts.append(make("div", "", make("dt", "", label), value));
    return value;
  };
  const source = fact("Source");
  const state = makeState();
  fact("State").append(state.element);
  const revision = fact("Revision");
  const applied = fact("From change to live");
  const changed = fact("Last change");
  const failureState = makeState();
  const failure = fact("Source");
  failure.append(failureState.element);
  const failureFact = /** @type {HTMLElement} */ (failure.parentElement);
  setText(/** @type {Element} */ (failureFact.firstElementChild), "Last failure");
  const hash = make("code");
  fact("Hash").append(hash);
  const rejected = byId("rejected");
  const rejectedRows = keyedRows(rejected, makeRejected, updateRejected);
  const more = make("p", "quiet");
  rejected.after(more);

  return {
    /** @param {import("./main.js").View} view */
    draw({ state: { config }, now }) {
      setText(source, sources[config.source] ?? config.source);
      const [mark, word] = states[config.state] ?? ["none", config.state];
      state.set(mark, `${word}${config.state === "degraded" ? `: ${whyDegraded(config)}` : ""}`);
      const { min, max } = config.applied;
      const on = config.revision === 0 ? "" : min === max ? "" : `, workers at ${min} to ${max}`;
      setText(revision, config.revision === 0 ? "none yet" : `${config.revision}${on}`);
      const last = config.last_applied;
      setText(applied, last === null ? "–" : `${spanText(last.duration_ms)} (revision ${last.revision})`);
      setText(changed, agoText(config.last_change_at, now, "never"));
      setText(hash, config.revision === 0 ? "–" : config.hash);
      const fault = config.last_failure;
      show(failureFact, fault !== null);
      if (fault !== null) {
        const when = agoText(fault.at, now, "");
        failureState.set(
          fault.current ? "error" : "none",
          `${fault.current ? `Fails since ${when}` : `Over, ${when}`}: ${fault.error}`,
        );
      }
      show(byId("rejected-none"), config.rejected_count === 0 && config.revision > 0);
      show(rejected, config.rejected_count > 0);
      rejectedRows(
        config.rejected.map((one) => ({ one, now })),
        ({ one }) => `${one.kind}/${one.id} ${one.field}`,
      );
      const hidden = config.rejected_count - config.rejected.length;
      show(more, hidden > 0);
      setText(more, `And ${hidden} more, which /status/config has.`);
    },
  };
}

/** @param {import("../state-body.ts").ConfigPart} config */
function whyDegraded({ rejected_count: rejected, last_failure: failure }) {
  const reasons = [];
  if (failure?.current === true) reasons.push("the source fails");
  if (rejected > 0) reasons.push(`${count(rejected, "resource")} rejected`);
  return reasons.join(", ");
}

/**
 * @param {string | null} iso
 * @param {number} now
 * @param {string} none
 */
function agoText(iso, now, none) {
  const at = timeOf(iso);
  return Number.isNaN(at) ? none : `${clockText(at, now)}, ${lastingText(now - at)} ago`;
}

function makeRejected() {
  const name = make("code", "name");
  const since = make("span", "quiet");
  const reason = make("p", "reason");
  const instead = makeState();
  const element = make("li", "", make("p", "", name, " ", since), reason, instead.element);
  return { element, name, since, reason, instead };
}

/**
 * @param {ReturnType<typeof makeRejected>} row
 * @param {{ readonly one: import("../reports.ts").RejectedRow, readonly now: number }} item
 */
function updateRejected(row, { one, now }) {
  setText(row.name, `${one.kind}/${one.id}`);
  setText(row.since, `rejected ${agoText(one.since, now, "")}`);
  setText(row.reason, one.field === "" ? one.error : `${one.field}: ${one.error}`);
  if (one.serving === "previous") row.instead.set("warning", "Its previous version serves instead");
  else row.instead.set("error", "Nothing serves instead");
}

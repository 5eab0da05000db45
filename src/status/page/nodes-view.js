import { byId, keyedRows, make, makeCell, makeState, setText, show } from "./dom.js";
import { count, lastingText, timeOf } from "./format.js";

/** @type {Readonly<Record<string, readonly [import("./dom.js").Mark, string]>>} */
const healths = {
  healthy: ["ok", "healthy"],
  mostly_healthy: ["warning", "healthy, some failures"],
  mostly_unhealthy: ["wait", "unhealthy, recovering"],
  unhealthy: ["error", "unhealthy"],
};

/** Nodes of upstreams with their health, and the other nodes of the fleet. */
export function makeNodesView() {
  const upstreamRows = keyedRows(byId("upstream-rows"), makeUpstream, updateUpstream);
  const fleetRows = keyedRows(byId("fleet-rows"), makeNode, updateNode);
  return {
    /** @param {import("./main.js").View} view */
    draw({ state: { upstreams, fleet, config }, now }) {
      setText(byId("upstreams-summary"), summary(upstreams));
      show(byId("upstreams"), upstreams.nodes.length > 0);
      upstreamRows(upstreams.nodes, ({ upstream, node }) => `${upstream} ${node}`);
      show(byId("fleet-section"), fleet !== null);
      const nodes = fleet?.nodes ?? [];
      const ready = nodes.filter((node) => node.ready).length;
      const seen = `${ready} of ${count(fleet?.count ?? 0, "node")} ready.`;
      const error = fleet?.error ?? null;
      setText(
        byId("fleet-summary"),
        error === null ? seen : `The other nodes cannot be seen (${error}). These are the last that were.`,
      );
      fleetRows(
        nodes.map((node) => ({ node, newest: config.revision, now })),
        ({ node }) => node.id,
      );
    },
  };
}

/** @param {import("../upstream-nodes.ts").UpstreamsBody} body */
function summary({ count: total, unhealthy, unlisted, nodes }) {
  if (total === 0) return "No upstream is health-checked, so nothing is known of the health of nodes.";
  const sick = unhealthy === 0 ? "all healthy" : `${unhealthy} unhealthy`;
  const shown = total > nodes.length ? ` The first ${nodes.length} are shown.` : "";
  const more = unlisted === 0 ? "" : ` ${count(unlisted, "more node")} checked, but not looked at here.`;
  return `${count(total, "node")} checked, ${sick}.${shown}${more}`;
}

function makeUpstream() {
  const name = make("th");
  name.scope = "row";
  const health = makeState();
  const upstream = makeCell("Upstream");
  const probe = makeCell("Probed by");
  const row = makeCell("In a row");
  const element = make("tr", "", name, makeCell("Health", health.element), upstream, probe, row);
  return { element, name, health, upstream, probe, row };
}

/**
 * @param {ReturnType<typeof makeUpstream>} row
 * @param {import("../upstream-nodes.ts").UpstreamNodeRow} node
 */
function updateUpstream(row, node) {
  const [mark, word] = healths[node.status] ?? ["none", node.status];
  setText(row.name, node.node.startsWith(node.name) ? node.node : `${node.name} (${node.node.split(" ")[0]})`);
  row.health.set(mark, word);
  setText(row.upstream, node.upstream);
  setText(row.probe, node.probe.toUpperCase());
  const { success, http_failure: http, tcp_failure: tcp, timeout_failure: timeout } = node.counter;
  const counts = [
    success > 0 ? `${success} success${success === 1 ? "" : "es"}` : "",
    http > 0 ? count(http, "bad answer") : "",
    tcp > 0 ? count(tcp, "failed connection") : "",
    timeout > 0 ? count(timeout, "timeout") : "",
  ].filter((text) => text !== "");
  setText(row.row, counts.length === 0 ? "–" : counts.join(", "));
}

function makeNode() {
  const name = make("th");
  name.scope = "row";
  const state = makeState();
  const role = makeCell("Role");
  const version = makeCell("Version");
  const revision = makeCell("Revision");
  const rejected = makeState();
  const element = make(
    "tr",
    "",
    name,
    makeCell("State", state.element),
    role,
    version,
    revision,
    makeCell("Rejected", rejected.element),
  );
  return { element, name, state, role, version, revision, rejected };
}

/**
 * @param {ReturnType<typeof makeNode>} row
 * @param {{ readonly node: import("../fleet.ts").FleetRow, readonly newest: number, readonly now: number }} item
 */
function updateNode(row, { node, newest, now }) {
  setText(row.name, `${node.name}${node.self ? " (this one)" : ""}`);
  const up = timeOf(node.started_at);
  const since = Number.isNaN(up) ? "" : `, up ${lastingText(now - up)}`;
  row.state.set(node.ready ? "ok" : "error", `${node.ready ? "ready" : "not ready"}${since}`);
  setText(row.role, node.role.replaceAll("_", " "));
  setText(row.version, node.version);
  setText(row.revision, node.revision === 0 ? "none" : `${node.revision}`);
  row.element.dataset["behind"] = String(node.revision < newest);
  row.rejected.set(node.rejected === 0 ? "none" : "warning", `${node.rejected}`);
  row.rejected.element.classList.toggle("plain", node.rejected === 0);
}

import type { CheckedNodes, CheckedUpstream } from "../../messages/messages.ts";

/** Nodes that the supervisor is told of; it looks at the health of each a few times a second. */
const MAX_LISTED = 2_000;
/** At most one message in this time, however fast upstreams change. */
const QUIET_MS = 500;

/** Tells the supervisor which nodes are checked. */
export interface CheckedNodesFeed {
  /** The nodes may have changed. */
  changed(): void;
  close(): void;
}

/** Creates the feed; `checked` says what there is, `send` passes it on. */
export function createCheckedNodesFeed(
  checked: () => readonly CheckedUpstream[],
  send: (report: CheckedNodes) => void,
): CheckedNodesFeed {
  let timer: NodeJS.Timeout | null = null;
  let empty = true;

  function tell(): void {
    timer = null;
    const report = boundNodes(checked(), MAX_LISTED);
    if (empty && report.upstreams.length === 0) return;
    empty = report.upstreams.length === 0;
    send(report);
  }

  return {
    changed() {
      timer ??= setTimeout(tell, QUIET_MS).unref();
    },
    close() {
      if (timer !== null) clearTimeout(timer);
    },
  };
}

/** The first upstreams with at most `limit` nodes among them, and how many nodes are left out. */
export function boundNodes(upstreams: readonly CheckedUpstream[], limit: number): CheckedNodes {
  const listed: CheckedUpstream[] = [];
  let room = limit;
  let unlisted = 0;
  for (const upstream of upstreams) {
    const nodes = upstream.nodes.slice(0, room);
    room -= nodes.length;
    unlisted += upstream.nodes.length - nodes.length;
    if (nodes.length > 0) listed.push({ ...upstream, nodes });
  }
  return { upstreams: listed, unlisted };
}

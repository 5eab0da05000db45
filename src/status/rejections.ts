import type { ConfigReport } from "../messages/messages.ts";
import type { Rejection } from "../schema/kinds.ts";
import { firstOf, type Journal } from "./journal.ts";

/** Writes into the journal which resources are newly rejected, and which no longer are. */
export function createRejectionWatch(journal: Journal): { look(report: ConfigReport): void } {
  let seen: readonly Rejection[] = [];
  let known = new Map<string, Rejection>();

  return {
    look({ rejected, changes }) {
      // Reports are replaced as a whole, so the same list means that nothing has happened.
      // A control thread that has just been started does not know what its first load will reject.
      if (rejected === seen || changes === undefined) return;
      seen = rejected;
      const before = known;
      known = new Map(rejected.map((one) => [nameOf(one), one]));
      const fresh = rejected.filter((one) => before.get(nameOf(one))?.error !== one.error);
      for (const { one, more } of firstOf(fresh)) {
        const { field, error, serving } = one;
        journal.add({ type: "rejected", resource: nameOf(one), field, error, serving, more });
      }
      const gone = [...before].filter(([name]) => !known.has(name)).map(([, one]) => one);
      for (const { one, more } of firstOf(gone)) journal.add({ type: "accepted", resource: nameOf(one), more });
    },
  };
}

function nameOf({ kind, id }: Rejection): string {
  return `${kind}/${id}`;
}

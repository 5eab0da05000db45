import assert from "node:assert/strict";
import { test } from "node:test";
import type { SentConfigReport } from "../messages/messages.ts";
import type { Rejection } from "../schema/kinds.ts";
import { ConfigReporter } from "./config-reporter.ts";

const rejection: Rejection = {
  kind: "routes",
  id: "1",
  field: "uri",
  error: "no",
  serving: "nothing",
  since: 1,
  revision: 1,
};

test("rejections go along only where the list has changed; the report itself always has them", () => {
  const sent: SentConfigReport[] = [];
  const reporter = new ConfigReporter("yaml", (report) => sent.push(report));
  const rejected = [rejection];
  const loaded = (revision: number, list: readonly Rejection[]): void => {
    const times = { firstAt: revision, lastAt: revision };
    reporter.loaded({ fromRevision: 0, revision, hash: 0n, changes: [], rejected: list, loaded: true, ...times });
  };
  loaded(1, rejected);
  loaded(2, rejected);
  reporter.failed("away", 3);
  assert.deepEqual(
    sent.map((report) => [report.revision, report.rejected?.length]),
    [
      [1, 1],
      [2, undefined],
      [2, undefined],
    ],
  );
  assert.equal(reporter.report.rejected, rejected);
  loaded(3, []);
  assert.deepEqual(sent.at(-1)?.rejected, []);
});

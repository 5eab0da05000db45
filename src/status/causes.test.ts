import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { WorkerState } from "../board/board.ts";
import { causeOf, causes } from "./causes.ts";
import { ask, boardOf, startFixture } from "./test-fixture.ts";

const guide = readFileSync(new URL("../../docs/readiness-causes.md", import.meta.url), "utf8");

test("the guide has every cause in its order, in the words of the page", () => {
  const sections = Array.from(guide.matchAll(/^## (\S+)\n(.*?)(?=^## |$(?![\s\S]))/gms), ([, name, text]) => ({
    name,
    text,
  }));
  assert.deepEqual(
    sections.map(({ name }) => name),
    Object.keys(causes),
  );
  for (const [i, [name, { meaning, advice }]] of Object.entries(causes).entries()) {
    assert.ok(sections[i]?.text?.includes(`\n**${meaning}**\n\n${advice}\n`), name);
  }
});

test("every check has a cause, and its error stands in the guide as the API has it", async (t) => {
  const board = boardOf(16, 1);
  const fixture = await startFixture(t, board);
  fixture.discovery = [{ name: "consul", ready: false, told: 0 }];
  board.draining = true;
  board.activate(12, undefined);
  board.record(9).reset(9, 1, Date.now(), board.record(8).heartbeat);
  board.record(9).state = WorkerState.starting;
  board.record(3).heartbeat -= 30_500;
  const { json } = await ask(fixture, "/status/ready?verbose");
  const checks = json["checks"] as { name: Parameters<typeof causeOf>[0]; error: string }[];
  assert.equal(checks.length, Object.keys(causes).length);
  const sections = guide.split(/^## /m).slice(1);
  for (const [i, { name, error }] of checks.entries()) {
    assert.equal(causeOf(name), Object.values(causes)[i], name);
    // How long it is depends on how busy the machine is.
    const shown = error.replace(/for \d+s$/, "for 5s");
    assert.ok(sections[i]?.includes(`\n> \`${shown}\`\n`), `${name}: ${error}`);
  }
});

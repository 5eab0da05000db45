import assert from "node:assert/strict";
import { test } from "node:test";
import { createLiveState, type Follower } from "./live-state.ts";
import { boardOf, reportOf, startFixture } from "./test-fixture.ts";

interface Reader extends Follower {
  readonly frames: string[];
  behind: boolean;
  /** Resolves with the frame that holds the text. */
  until(text: string): Promise<string>;
}

function reader(): Reader {
  let wake = (): void => undefined;
  return {
    frames: [],
    behind: false,
    write(frame) {
      this.frames.push(frame);
      wake();
    },
    isBehind() {
      return this.behind;
    },
    async until(text) {
      for (;;) {
        const found = this.frames.find((frame) => frame.includes(text));
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

test("who does not read gets the newest state later; others do not wait for it", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const live = createLiveState(fixture.deps);
  t.after(() => live.close());
  const [quick, slow] = [reader(), reader()];
  live.follow(slow);
  live.follow(quick);
  const first = slow.frames.length;
  slow.behind = true;
  for (const revision of [2, 3]) {
    fixture.report = reportOf(revision);
    fixture.watch.refresh();
    await quick.until(`"config":{"source":"yaml","state":"converging","revision":${revision},`);
  }
  assert.equal(slow.frames.length, first);
  slow.behind = false;
  assert.doesNotMatch(await slow.until('"revision":3,'), /"revision":2,/);
  assert.ok(!slow.frames.some((frame) => frame.includes('"state":"converging","revision":2,')));
});

test("while nobody follows nothing is made", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  let asked = 0;
  const live = createLiveState({
    ...fixture.deps,
    checked() {
      asked++;
      return { upstreams: [], unlisted: 0 };
    },
  });
  t.after(() => live.close());
  const only = reader();
  const unfollow = live.follow(only);
  assert.equal(asked, 1);
  fixture.report = reportOf(2);
  fixture.watch.refresh();
  await only.until('"revision":2,');
  unfollow();
  const before = asked;
  const other = createLiveState(fixture.deps);
  t.after(() => other.close());
  const later = reader();
  other.follow(later);
  fixture.report = reportOf(3);
  fixture.watch.refresh();
  await later.until('"revision":3,');
  assert.equal(asked, before);
  assert.equal(fixture.waiting, 1);
});

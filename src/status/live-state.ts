import { setImmediate } from "node:timers/promises";
import type { StatusDeps } from "./deps.ts";
import { stateParts, type State } from "./state-body.ts";

/**
 * The state for those who follow it: made once for all of them, and only what has
 * changed is sent. While nobody follows, nothing is made.
 */

type Part = keyof State;
const parts = Object.keys(stateParts) as Part[];

/** Time between two looks where something is announced again and again. */
const LOOK_MS = 200;
/** Ages and rates of workers are made this often where nothing else has changed with them. */
const AGES_MS = 1000;
/** Followers written to in one turn of the event loop: a probe never waits for more. */
const TURN = 16;

/** Who follows the state. */
export interface Follower {
  /** One frame of the stream: everything the first time, later what has changed. */
  write(frame: string): void;
  /** Whether it has not read what it was sent: then it gets the newest later. */
  isBehind(): boolean;
}

/** The state, live; one per server. */
export interface LiveState {
  /** Writes the whole state at once and every change from then on; returns how to end that. */
  follow(follower: Follower): () => void;
  close(): void;
}

/** Creates it; must be closed. */
export function createLiveState(deps: StatusDeps): LiveState {
  /** The parts as JSON, and at which turn each was last another. */
  const texts = new Map<Part, string>();
  const changedAt = new Map<Part, number>();
  /** The turn up to which each follower has been told; -1: nothing. */
  const followers = new Map<Follower, number>();
  let turn = 0;
  let lookedAt = -Infinity;
  let agedAt = -Infinity;
  let workersKey = "";
  let unwatch: (() => void) | null = null;
  let pending: NodeJS.Timeout | null = null;
  let writing = false;

  function look(): void {
    const now = performance.now();
    lookedAt = now;
    turn++;
    for (const part of parts) {
      if (part === "workers" && !workersMoved(now)) continue;
      const text = JSON.stringify(stateParts[part](deps));
      if (texts.get(part) === text) continue;
      texts.set(part, text);
      changedAt.set(part, turn);
    }
  }

  /** Whether a worker has changed its state or revision, or it is time for new ages. */
  function workersMoved(now: number): boolean {
    let key = "";
    for (let slot = 0; slot < deps.board.workerCount; slot++) {
      const record = deps.board.active(slot);
      key += record === undefined ? "-;" : `${record.generation},${record.state},${record.revision};`;
    }
    if (key === workersKey && now - agedAt < AGES_MS - LOOK_MS / 2) return false;
    workersKey = key;
    agedAt = now;
    return true;
  }

  function frameFor(told: number): string | null {
    const changed = parts.filter((part) => (changedAt.get(part) ?? 0) > told);
    if (changed.length === 0) return null;
    const members = changed.map((part) => `"${part}":${texts.get(part)}`);
    return `event: state\ndata: {"at":"${new Date().toISOString()}",${members.join(",")}}\n\n`;
  }

  async function writeAll(): Promise<void> {
    if (writing) return;
    writing = true;
    const frames = new Map<number, string | null>();
    const madeAt = turn;
    let written = 0;
    for (const [follower, told] of followers) {
      if (told >= madeAt || follower.isBehind()) continue;
      let frame = frames.get(told);
      if (frame === undefined) frames.set(told, (frame = frameFor(told)));
      followers.set(follower, madeAt);
      if (frame === null) continue;
      follower.write(frame);
      if (++written % TURN === 0) await setImmediate();
    }
    writing = false;
  }

  function changed(): void {
    if (pending !== null) return;
    const wait = Math.max(0, lookedAt + LOOK_MS - performance.now());
    pending = setTimeout(() => {
      pending = null;
      look();
      void writeAll();
    }, wait).unref();
  }

  function stop(): void {
    unwatch?.();
    unwatch = null;
    if (pending !== null) clearTimeout(pending);
    pending = null;
  }

  return {
    follow(follower) {
      unwatch ??= deps.watch.onChange(changed);
      if (performance.now() - lookedAt > LOOK_MS) look();
      followers.set(follower, turn);
      follower.write(historyFrame(deps));
      follower.write(frameFor(-1) ?? "");
      return () => {
        followers.delete(follower);
        if (followers.size === 0) stop();
      };
    },
    close() {
      followers.clear();
      stop();
    },
  };
}

/** What workers have answered in the last minute, for whoever begins to follow. */
function historyFrame({ board, watch }: StatusDeps): string {
  const rates = Array.from({ length: board.workerCount }, (_, slot) => watch.rates.history(slot));
  return `event: history\ndata: ${JSON.stringify({ requests_per_second: rates })}\n\n`;
}

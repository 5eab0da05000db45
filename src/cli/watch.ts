import { setTimeout } from "node:timers/promises";
import type { State } from "../status/state-body.ts";
import { ExitCode } from "./exit-codes.ts";
import { followStatus, type JournalLine, Refused, type StateChange, type StatusListener } from "./follow-status.ts";
import { openScreen, printable, type Screen } from "./screen.ts";
import { Unreachable, type Terminal } from "./status-client.ts";
import { type Watched, verdictText, watchLines } from "./watch-lines.ts";

/** How long a gateway that does not answer is left in peace. */
const AGAIN_MS = 1000;
const KEPT_EVENTS = 256;
const KEPT_SAMPLES = 60;

/** How `turnpike status --watch` is shown. */
export interface WatchView {
  readonly json: boolean;
  readonly terminal: Terminal;
  /** `null`: nobody looks; then there are plain lines. */
  readonly screen: Screen | null;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/**
 * Follows a gateway until it is told to end: a screen that is drawn anew, plain lines
 * where there is no terminal, or JSON lines. 0 ready, 1 not ready, 3 nothing answered at the end.
 */
export async function watchStatus(origin: string, view: WatchView): Promise<ExitCode> {
  const watch = new StatusWatcher(view);
  while (!view.signal.aborted) {
    try {
      await followStatus(origin, watch.lastId, watch, view.signal);
    } catch (error) {
      if (view.signal.aborted) break;
      if (error instanceof Refused) {
        view.screen?.close();
        view.terminal.err(`turnpike: ${error.message}`);
        return ExitCode.failed;
      }
      if (!(error instanceof Unreachable)) throw error;
      watch.lost(error.message);
      await setTimeout(AGAIN_MS, undefined, { signal: view.signal }).catch(() => undefined);
    }
  }
  view.screen?.close();
  return watch.end();
}

/** The screen of this process, where a person looks at it. */
export function processScreen(): Screen | null {
  return process.stdout.isTTY ? openScreen(process.stdout) : null;
}

/** What is known of the gateway, and how it is shown. */
class StatusWatcher implements StatusListener {
  readonly #view: WatchView;
  #state: State | null = null;
  #rates: number[][] = [];
  #events: JournalLine[] = [];
  #error: string | null = null;
  #lostAt = 0;
  #ahead = 0;
  /** The time of the first state: events before it are history. */
  #since = "";
  #said = "";

  constructor(view: WatchView) {
    this.#view = view;
  }

  /** The last event that is known. */
  get lastId(): number {
    return this.#events.at(-1)?.id ?? 0;
  }

  state({ at, ...parts }: StateChange): void {
    const startedAt = this.#state?.node.started_at;
    this.#state = { ...this.#state, ...parts } as State;
    this.#ahead = Date.parse(at) - Date.now();
    this.#error = null;
    if (this.#since === "") this.#since = at;
    // Another run of the gateway counts its events anew; they follow.
    if (startedAt !== undefined && this.#state.node.started_at !== startedAt) this.#events = [];
    if (parts.workers !== undefined) this.#sample(parts.workers.map((row) => row.requests_per_second));
    if (this.#view.json) this.#print({ type: "state", at, ...parts });
    this.#show();
  }

  history(requestsPerSecond: readonly (readonly number[])[]): void {
    this.#rates = requestsPerSecond.map((samples) => [...samples]);
  }

  event(event: JournalLine): void {
    this.#events.push(event);
    if (this.#events.length > KEPT_EVENTS) this.#events.shift();
    if (this.#view.json) this.#print({ ...event, type: "event", event: event.type });
    else if (this.#view.screen === null && event.at >= this.#since) {
      this.#view.terminal.out(`${event.at} ${printable(event.text)}`);
    }
    this.#show();
  }

  lost(error: string): void {
    if (this.#error === null) this.#lostAt = Date.now();
    const news = this.#error !== error;
    this.#error = error;
    if (this.#view.json && news) this.#print({ type: "lost", at: new Date().toISOString(), error });
    this.#show();
  }

  /** The exit code. */
  end(): ExitCode {
    if (this.#view.screen !== null && !this.#view.json) this.#view.terminal.out(verdictText(this.#watched()));
    if (this.#error !== null || this.#state === null) return ExitCode.unreachable;
    return this.#state.readiness.ready ? ExitCode.ok : ExitCode.failed;
  }

  #sample(rates: readonly number[]): void {
    this.#rates.length = Math.min(this.#rates.length, rates.length);
    for (const [i, rate] of rates.entries()) {
      const samples = (this.#rates[i] ??= []);
      samples.push(rate);
      if (samples.length > KEPT_SAMPLES) samples.shift();
    }
  }

  #watched(): Watched {
    const lost = this.#error === null ? null : { error: this.#error, forMs: Date.now() - this.#lostAt };
    const now = Date.now() + this.#ahead;
    return { state: this.#state, rates: this.#rates, events: this.#events, lost, now };
  }

  #show(): void {
    const { json, screen, terminal } = this.#view;
    if (json) return;
    if (screen !== null) return screen.draw(watchLines(this.#watched(), screen.rows));
    // Without a screen the verdict is said when it is another one; the events say the rest.
    const { state, lost } = this.#watched();
    const verdict = lost !== null ? `unknown: ${lost.error}` : state?.readiness.ready === true ? "ready" : "not ready";
    if (verdict === this.#said || (state === null && lost === null)) return;
    this.#said = verdict;
    terminal.out(`${new Date(Date.now() + this.#ahead).toISOString()} ${printable(verdictText(this.#watched()))}`);
  }

  #print(value: object): void {
    this.#view.terminal.out(JSON.stringify(value));
  }
}

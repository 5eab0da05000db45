import { execFile } from "node:child_process";
import { atNormalPriority } from "../lib/thread-priority.ts";

/** The program that sends for us: Node has no datagram sockets of the Unix kind. */
const PROGRAM = "systemd-notify";
/** A manager that takes longer than this has other worries. */
const SEND_TIMEOUT_MS = 5_000;
/** While waiting for the first configuration the manager is told again and again that it is not in vain. */
const EXTEND_EVERY_MS = 10_000;
const EXTEND_BY_US = 3 * EXTEND_EVERY_MS * 1_000;

/** What the messages are made of; the functions must be fast and must not throw. */
export interface ServiceState {
  /** The error of `GET /status/ready`; `null`: ready. */
  readiness(): string | null;
  /** The error of `GET /status`; `null`: alive. */
  liveness(): string | null;
  /** The configuration revision that was accepted last. */
  revision(): number;
  /** Calls `listener` whenever one of these may have changed; returns how to stop. */
  onChange(listener: () => void): () => void;
}

/**
 * Tells the service manager (systemd, sd_notify(3)) how the gateway is: READY when it is ready for
 * the first time, STATUS at every transition, RELOADING and STOPPING, and WATCHDOG for as long as
 * a worker gives signs of life. Messages are sent one after the other, never waited for, and keep
 * no event loop alive. Must be closed.
 */
export interface ServiceManager {
  reloading(): void;
  /** After `reloading`, whatever came of it. */
  reloaded(): void;
  stopping(): void;
  close(): void;
}

/** `null` where no service manager asked to be told (`NOTIFY_SOCKET`). `warn` gets the first failure to send. */
export function createServiceManager(
  state: ServiceState,
  env: NodeJS.ProcessEnv,
  warn: (message: string) => void,
): ServiceManager | null {
  if ((env.NOTIFY_SOCKET ?? "") === "") return null;
  return new Notifier(state, watchdogMs(env), new Outbox(warn));
}

/** How often the watchdog wants to be fed, three times in its time; `null`: there is none, or it is another process's. */
function watchdogMs(env: NodeJS.ProcessEnv): number | null {
  const us = Number(env.WATCHDOG_USEC ?? "");
  const pid = env.WATCHDOG_PID ?? "";
  if (!(us > 0) || (pid !== "" && Number(pid) !== process.pid)) return null;
  return Math.max(10, us / 3_000);
}

class Notifier implements ServiceManager {
  readonly #state: ServiceState;
  readonly #outbox: Outbox;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #stopListening: () => void;
  #everReady = false;
  #stopping = false;
  #reloads = 0;
  #status = "";

  constructor(state: ServiceState, watchdog: number | null, outbox: Outbox) {
    this.#state = state;
    this.#outbox = outbox;
    this.#stopListening = state.onChange(() => this.#look());
    if (watchdog !== null) this.#every(watchdog, () => this.#feed());
    this.#every(EXTEND_EVERY_MS, () => this.#extend());
    this.#look();
  }

  reloading(): void {
    if (this.#reloads++ === 0 && this.#everReady) this.#outbox.send(["RELOADING=1", monotonicUsec()]);
  }

  reloaded(): void {
    if (--this.#reloads === 0 && this.#everReady && !this.#stopping) this.#outbox.send(["READY=1"]);
  }

  stopping(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#outbox.send(["STOPPING=1", "STATUS=stopping: finishing what is in flight"]);
  }

  close(): void {
    this.#stopListening();
    for (const timer of this.#timers) clearInterval(timer);
  }

  #every(ms: number, act: () => void): void {
    this.#timers.push(setInterval(act, ms).unref());
  }

  #feed(): void {
    if (this.#state.liveness() === null) this.#outbox.sendIfIdle(["WATCHDOG=1"]);
  }

  #extend(): void {
    const waiting = !this.#everReady && !this.#stopping && this.#state.liveness() === null;
    if (waiting) this.#outbox.sendIfIdle([`EXTEND_TIMEOUT_USEC=${EXTEND_BY_US}`]);
  }

  #look(): void {
    if (this.#stopping) return;
    const cause = this.#state.readiness();
    const status = cause === null ? "ready" : `not ready: ${cause}`;
    if (status === this.#status) return;
    this.#status = status;
    const words = [`STATUS=${status}, revision ${this.#state.revision()}`];
    if (cause === null && !this.#everReady) {
      this.#everReady = true;
      words.unshift("READY=1");
    }
    this.#outbox.send(words);
  }
}

/** CLOCK_MONOTONIC, which RELOADING=1 is to be sent with. */
function monotonicUsec(): string {
  return `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`;
}

const isStatus = (words: readonly string[] | undefined): boolean =>
  words?.length === 1 && words[0]?.startsWith("STATUS=") === true;

/** Sends one message after the other. */
class Outbox {
  readonly #warn: (message: string) => void;
  readonly #waiting: (readonly string[])[] = [];
  #busy = false;
  #warned = false;

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  send(words: readonly string[]): void {
    // Of states that nobody has been told, only the newest is worth telling.
    if (isStatus(words) && isStatus(this.#waiting.at(-1))) this.#waiting.pop();
    this.#waiting.push(words);
    this.#next();
  }

  /** For what will be said again anyway. */
  sendIfIdle(words: readonly string[]): void {
    if (!this.#busy) this.send(words);
  }

  #next(): void {
    if (this.#busy) return;
    const words = this.#waiting.shift();
    if (words === undefined) return;
    this.#busy = true;
    // A line break would begin an assignment of its own.
    const lines = words.map((word) => word.replace(/[\r\n]+/g, " "));
    const child = atNormalPriority(() =>
      execFile(PROGRAM, lines, { timeout: SEND_TIMEOUT_MS }, (error) => {
        this.#busy = false;
        if (error !== null && !this.#warned) {
          this.#warned = true;
          this.#warn(`the service manager could not be told ${lines[0]}: ${error.message.split("\n", 1)[0]}`);
        }
        this.#next();
      }),
    );
    child.unref();
  }
}

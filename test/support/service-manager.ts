import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("notify-socket.py", import.meta.url));

/** What a service manager on a real datagram socket was told. */
export interface FakeServiceManager {
  /** The path for `NOTIFY_SOCKET`. */
  readonly socket: string;
  /** Each message's assignments, oldest first; barriers left out. */
  readonly messages: readonly (readonly string[])[];
  /** Waits for the first message from `from` on that has the assignment; its index. */
  said(assignment: string | RegExp, from?: number): Promise<number>;
}

/** Listens as systemd does; ends with the test. */
export async function startServiceManager(t: TestContext): Promise<FakeServiceManager> {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-notify-"));
  const socket = join(directory, "notify");
  const child = spawn("python3", [program, socket], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  const messages: string[][] = [];
  const lines = createInterface({ input: child.stdout });
  await once(lines, "line");
  const news = new EventTarget();
  lines.on("line", (line) => {
    const words = JSON.parse(line) as string[];
    if (words[0] !== "BARRIER=1") messages.push(words);
    news.dispatchEvent(new Event("message"));
  });
  const matches = (words: readonly string[], wanted: string | RegExp): boolean =>
    words.some((word) => (typeof wanted === "string" ? word === wanted : wanted.test(word)));
  return {
    socket,
    messages,
    async said(assignment, from = 0) {
      for (;;) {
        const index = messages.findIndex((words, at) => at >= from && matches(words, assignment));
        if (index !== -1) return index;
        await once(news, "message", { signal: t.signal });
      }
    },
  };
}

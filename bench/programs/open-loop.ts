// An open-loop client: sends requests at a constant rate whatever the answers do, so
// that a server which stalls is charged with every request that it kept waiting.
//   node bench/programs/open-loop.ts PORT RATE SECONDS
// Requests are due in steps of a millisecond. Each takes an idle connection, or opens
// another one where all are busy, so none waits for an earlier answer. The latency is
// the time from the request's write to the last byte of its answer. Prints JSON.
import { connect, type Socket } from "node:net";

const [port, rate, seconds] = process.argv.slice(2).map(Number) as [number, number, number];
const REQUEST = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
const CONNECTIONS = 64;
const MOST_CONNECTIONS = 2_000;
/** What comes first is not counted: connections are opened, code is optimised. */
const WARM_MS = 2_000;

const idle: Connection[] = [];
const latencies: number[] = [];
let connections = 0;
let sent = 0;
let unsent = 0;
let failed = 0;
let begin = 0;

class Connection {
  readonly #socket: Socket;
  #sentAt = 0;
  #seen = "";

  constructor() {
    connections++;
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => idle.push(this));
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (text: string) => this.#read(text));
    this.#socket.on("error", () => failed++);
    this.#socket.on("close", () => connections--);
  }

  send(): void {
    this.#sentAt = performance.now();
    this.#socket.write(REQUEST);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#seen += text;
    const head = this.#seen.indexOf("\r\n\r\n");
    if (head === -1) return;
    const length = Number(/content-length: *(\d+)/i.exec(this.#seen)?.[1]);
    if (this.#seen.length < head + 4 + length) return;
    if (!this.#seen.startsWith("HTTP/1.1 200")) failed++;
    if (this.#sentAt >= begin) latencies.push(performance.now() - this.#sentAt);
    this.#seen = "";
    idle.push(this);
  }
}

function tick(): void {
  const now = performance.now();
  if (now >= begin + seconds * 1_000) {
    finish();
    return;
  }
  if (now >= begin) {
    for (let due = Math.floor(((now - begin) * rate) / 1_000) - sent - unsent; due > 0; due--) {
      if (sendOne()) sent++;
      else unsent++;
    }
  } else if (idle.length > 0) {
    for (let i = Math.ceil(rate / 1_000); i > 0; i--) sendOne();
  }
  setTimeout(tick, 1);
}

function sendOne(): boolean {
  const connection = idle.pop();
  if (connection === undefined) {
    if (connections < MOST_CONNECTIONS) void new Connection();
    return false;
  }
  connection.send();
  return true;
}

/** Waits a little for what is still under way. */
function finish(): void {
  setTimeout(() => {
    latencies.sort((a, b) => a - b);
    const at = (share: number): number =>
      latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
    const result = {
      sent,
      unsent,
      failed,
      answered: latencies.length,
      p50: at(0.5),
      p90: at(0.9),
      p99: at(0.99),
      max: at(1),
    };
    console.log(JSON.stringify(result));
    process.exit(0);
  }, 500);
}

for (let i = 0; i < CONNECTIONS; i++) void new Connection();
begin = performance.now() + WARM_MS;
tick();

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { times } from "./support/extent.ts";
import { bytesFrom } from "./support/interop/chance.ts";
import { peakWhile, resident } from "./support/interop/resident.ts";
import { startOrigin } from "./support/origin.ts";
import { serving, to } from "./support/serving.ts";

// Large bodies through one worker: its memory does not grow with them, however slowly they are read.

const MEGABYTE = 1 << 20;
/** What the memory of the gateway may grow by, in megabytes. */
const GROWTH = 32;
/** Of each body. */
const LARGE = times(1_024, 192);
/** Of each body that is read at 1 MB/s. */
const SLOW = times(1_024, 10);

const piece = bytesFrom(1, MEGABYTE);

test(`${LARGE} MiB up, ${LARGE} MiB down, and a reader of 1 MB/s at either side`, { timeout: 3_600_000 }, async (t) => {
  let received = { bytes: 0, hash: "" };
  const origin = await startOrigin(t, "large", (incoming, response) => {
    const url = new URL(incoming.url ?? "", "http://a");
    const size = Number(url.searchParams.get("megabytes")) * MEGABYTE;
    if (incoming.method === "GET") {
      response.setHeader("Content-Length", size);
      void pipeline(pieces(size), response).catch(() => undefined);
      return;
    }
    void read(incoming, url.pathname === "/slow").then((result) => {
      received = result;
      response.end("thanks");
    });
  });
  const gateway = await serving(t, { routes: [to({ [origin.node]: 1 })] }, { workers: 1 });

  const down = async (path: string, megabytes: number): Promise<void> => {
    const incoming = await answerTo(
      request(`${gateway.httpUrl}${path}?megabytes=${megabytes}`, { agent: false }).end(),
    );
    assert.deepEqual(await read(incoming, path === "/slow"), expected(megabytes));
  };
  const up = async (path: string, megabytes: number): Promise<void> => {
    const headers = { "Content-Length": megabytes * MEGABYTE };
    const outgoing = request(`${gateway.httpUrl}${path}`, { method: "PUT", headers, agent: false });
    const answer = answerTo(outgoing);
    await pipeline(pieces(megabytes * MEGABYTE), outgoing);
    assert.equal(await text(await answer), "thanks");
    assert.deepEqual(received, expected(megabytes));
  };

  t.diagnostic(`${resident(gateway)} MB at the start`);
  const before = await peakWhile(gateway, Promise.all([down("/fast", 16), up("/fast", 16)]));
  const works: readonly [name: string, work: () => Promise<unknown>][] = [
    ["down", () => down("/fast", LARGE)],
    ["up", () => up("/fast", LARGE)],
    ["slow reader at either side", () => Promise.all([down("/slow", SLOW), up("/slow", SLOW)])],
  ];
  for (const [name, work] of works) {
    const peak = await peakWhile(gateway, work());
    t.diagnostic(`${name}: ${before} MB before, ${peak} MB at most`);
    assert.ok(peak - before < GROWTH, `${name}: ${before} MB before, ${peak} MB at most`);
  }
});

function pieces(bytes: number): Readable {
  return Readable.from(
    (function* () {
      for (let sent = 0; sent < bytes; sent += piece.length) yield piece;
    })(),
    { objectMode: false, highWaterMark: MEGABYTE },
  );
}

const answerTo = (outgoing: ReturnType<typeof request>): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => outgoing.once("response", resolve).once("error", reject));

async function text(incoming: IncomingMessage): Promise<string> {
  return (await incoming.toArray()).join("");
}

/** Reads to the end, at 1 MB/s if told so. */
async function read(incoming: IncomingMessage, slowly: boolean): Promise<{ bytes: number; hash: string }> {
  const hash = createHash("sha1");
  const started = performance.now();
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    hash.update(chunk);
    const early = (bytes / MEGABYTE) * 1_000 - (performance.now() - started);
    if (slowly && early > 0) await setTimeout(early);
  }
  return { bytes, hash: hash.digest("hex") };
}

const known = new Map<number, { bytes: number; hash: string }>();

function expected(megabytes: number): { bytes: number; hash: string } {
  const there = known.get(megabytes);
  if (there !== undefined) return there;
  const hash = createHash("sha1");
  for (let i = 0; i < megabytes; i++) hash.update(piece);
  const made = { bytes: megabytes * MEGABYTE, hash: hash.digest("hex") };
  known.set(megabytes, made);
  return made;
}

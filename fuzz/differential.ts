import { type Compared, disagreements, explained } from "./compare.ts";
import type { Disagreement } from "./differences.ts";
import * as llhttp from "./llhttp.ts";
import type { Reading } from "./message.ts";
import { NodeServer, readResponse as readNodeResponse } from "./node-http.ts";
import { readRequests, readResponse } from "./ours.ts";
import { seedOf } from "./random.ts";
import { requestStream } from "./requests.ts";
import { responseStream } from "./responses.ts";

/** How a run went. */
export interface Report {
  /** Streams compared, by what was read by whom. */
  readonly streams: Map<string, number>;
  /** Messages that we accepted in them. */
  accepted: number;
  /** Streams that we refused at some point. */
  refused: number;
  /** Disagreements by reader and class. */
  readonly classes: Map<string, number>;
  readonly unexplained: { readonly reader: string; readonly seed: number; readonly found: Disagreement }[];
}

const ALL: Compared = { reader: "llhttp", without: [], one: false };
/** `node:http` does not say whether it will keep a connection, */
const NODE_REQUESTS: Compared = { reader: "node:http", without: ["keepAlive", "status"], one: false };
/** and the final response of a client's request only. */
const NODE_RESPONSE: Compared = { reader: "node:http", without: ["keepAlive", "method", "target"], one: true };

/** Compares generated streams until `more` says no. */
export class Differential {
  readonly report: Report = { streams: new Map(), accepted: 0, refused: 0, classes: new Map(), unexplained: [] };
  readonly #node = new NodeServer();

  /** One stream of requests and one of responses; `withNode`: `node:http` reads them too. */
  async compare(run: number, index: number, withNode: boolean): Promise<void> {
    const seed = seedOf(run, index);
    const requests = requestStream(seed);
    const ours = readRequests([requests]);
    this.#count(ours);
    this.#note("requests, llhttp", seed, disagreements(requests, ours, llhttp.readRequests(requests), ALL));
    const { text, toHead, ended } = responseStream(seed);
    const asked = { toHead };
    const response = readResponse(text, asked, ended);
    this.#count(response);
    const theirs = llhttp.readResponses(text, [asked], ended);
    this.#note("responses, llhttp", seed, disagreements(text, response, upToFinal(theirs), ALL));
    if (!withNode) return;
    this.#note(
      "requests, node:http",
      seed,
      disagreements(requests, ours, await this.#node.read(requests), NODE_REQUESTS),
    );
    const nodes = await readNodeResponse(text, asked, ended);
    const final = { ...response, messages: response.messages.filter(({ status }) => status >= 200) };
    this.#note("responses, node:http", seed, disagreements(text, final, nodes, NODE_RESPONSE));
  }

  #count({ messages, refused }: Reading): void {
    this.report.accepted += messages.length;
    if (refused !== null) this.report.refused++;
  }

  #note(reader: string, seed: number, found: readonly Disagreement[]): void {
    const { streams, classes, unexplained } = this.report;
    streams.set(reader, (streams.get(reader) ?? 0) + 1);
    for (const disagreement of found) {
      const name = explained(disagreement);
      if (name === null) unexplained.push({ reader, seed, found: disagreement });
      else {
        const key = `${reader}: ${name}`;
        classes.set(key, (classes.get(key) ?? 0) + 1);
      }
    }
  }
}

/** Messages up to the first final response: what follows it answers nothing. */
function upToFinal(reading: Reading): Reading {
  const final = reading.messages.findIndex(({ status }) => status >= 200);
  return final < 0 ? reading : { ...reading, messages: reading.messages.slice(0, final + 1) };
}

/** The report as lines of text. */
export function reportLines({ streams, accepted, refused, classes, unexplained }: Report): string[] {
  const lines = [...streams].map(([reader, count]) => `${count} streams of ${reader}`);
  lines.push(`${accepted} messages accepted, ${refused} streams refused`, "differences:");
  for (const [name, count] of [...classes].sort()) lines.push(`  ${count} ${name}`);
  lines.push(`${unexplained.length} unexplained`);
  for (const { reader, seed, found } of unexplained.slice(0, 10)) {
    lines.push(`  ${reader}, seed ${seed}: ${found.aspect} ${found.reason}`);
    lines.push(`    stream ${JSON.stringify(found.text)}`);
    lines.push(`    ours   ${JSON.stringify(found.ours)}`, `    theirs ${JSON.stringify(found.theirs)}`);
  }
  return lines;
}

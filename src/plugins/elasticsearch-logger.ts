import { BatchError } from "../batch/batch-processor.ts";
import { reasonOf } from "../lib/errors.ts";
import type { PluginDefinition } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { elasticsearchLogger as facts } from "./catalogue/loggers.ts";
import type { HttpAnswer } from "./http-call.ts";
import { logComments } from "./log-comments.ts";
import { compileIndex } from "./elasticsearch-index.ts";
import { createLogHttp, HTTP_CONCURRENCY, logHeaders, refusal, type LogHttp } from "./log-http.ts";
import { checkLogMetadata, compileLogPlugin, type LogConf } from "./log-plugin.ts";

interface ElasticsearchLoggerConf extends LogConf {
  readonly endpoint_addr?: string;
  readonly endpoint_addrs?: readonly string[];
  readonly field: { readonly index: string };
  readonly auth?: { readonly username: string; readonly password: string };
  readonly headers?: Readonly<Record<string, unknown>>;
  /** Seconds. */
  readonly timeout: number;
  readonly ssl_verify: boolean;
}

/** Bytes of the answer to a bulk request: each document takes hundreds. */
const MAX_ANSWER = 16_777_216;

/** A server; whether it wants a type with each document is known once it was asked for its version. */
interface Server {
  readonly root: LogHttp;
  readonly bulk: LogHttp;
  typed: boolean | null;
  /** Indexes that are data streams. */
  readonly streams: Set<string>;
}

/** Data streams of a server that are remembered. */
const MAX_STREAMS = 1_000;

/** A document, in JSON, and the index that it goes into. */
export interface Document {
  readonly index: string;
  readonly text: string;
}

export const elasticsearchLogger: PluginDefinition<ElasticsearchLoggerConf> = {
  ...facts,
  summary: "Puts log entries, in batches, into an index of Elasticsearch.",
  schema: explained(facts.schema, {
    ...logComments,
    endpoint_addr: "One address, instead of `endpoint_addrs`.",
    endpoint_addrs: "Addresses of Elasticsearch; each batch goes to one of them, by chance.",
    field:
      "Where entries are put; `index` may hold variables (`$host`) and the time of the entry as strftime writes it (`{%Y.%m.%d}`).",
    auth: "Sent as Basic credentials.",
    headers: "Further headers.",
    timeout: "For one batch, seconds.",
    ssl_verify: "Whether the server's certificate is verified.",
  }),

  checkMetadata: checkLogMetadata,

  compile(conf, env) {
    const options = { timeoutMs: conf.timeout * 1_000, verifyTls: conf.ssl_verify };
    const addresses = conf.endpoint_addrs ?? [conf.endpoint_addr ?? ""];
    const name = conf.endpoint_addrs === undefined ? "endpoint_addr" : "endpoint_addrs";
    const servers = addresses.map((address): Server => {
      const base = address.replace(/\/+$/, "");
      const root = createLogHttp(name, base, options);
      const bulk = createLogHttp(name, `${base}/_bulk`, { ...options, maxAnswer: MAX_ANSWER });
      return { root, bulk, typed: null, streams: new Set() };
    });
    const headers = { ...logHeaders("headers", conf.headers), ...credentials(conf.auth) };
    const indexOf = compileIndex(conf.field.index);
    return compileLogPlugin<Document>(conf, env, {
      plugin: facts.name,
      sink: {
        concurrency: HTTP_CONCURRENCY,
        async send(entries) {
          const server = servers[Math.floor(Math.random() * servers.length)]!;
          server.typed ??= await wantsType(server, headers);
          const outcome = readBulk(await put(server, entries, headers), entries);
          const { streams, ...settled } = outcome;
          if (streams.length === 0) {
            assertTaken(settled);
            return;
          }
          rememberStreams(server, streams);
          const again = await put(server, streams, headers).then(
            (answer) => readBulk(answer, streams),
            (error: unknown): BulkOutcome<Document> => ({ ...NOTHING, remaining: streams, reason: reasonOf(error) }),
          );
          assertTaken({
            remaining: [...settled.remaining, ...again.remaining],
            refused: settled.refused + again.refused + again.streams.length,
            reason: again.reason || settled.reason,
          });
        },
        close() {
          for (const { root, bulk } of servers) {
            root.close();
            bulk.close();
          }
        },
      },
      entry: (text, ctx) => ({ text, index: indexOf(ctx) }),
    });
  },
};

function credentials(auth: ElasticsearchLoggerConf["auth"]): Record<string, string> {
  if (auth === undefined) return {};
  return { Authorization: `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString("base64")}` };
}

/** Versions before 7 want a type. Who may not ask for the version is taken to have a later one. */
async function wantsType({ root }: Server, headers: Record<string, string>): Promise<boolean> {
  const answer = await root.get(headers);
  if (isTransient(answer.status)) throw refusal("Elasticsearch, asked for its version,", answer);
  return majorVersion(answer.body.toString("utf8")) < 7;
}

/** Posts documents, each after the line that says where it goes; data streams take `create` alone. */
function put({ bulk, typed, streams }: Server, entries: readonly Document[], headers: Record<string, string>) {
  const type = typed === true ? { _type: "_doc" } : {};
  const lines = entries.map(({ index, text }) => {
    const action = streams.has(index) ? "create" : "index";
    return `${JSON.stringify({ [action]: { _index: index, ...type } })}\n${text}\n`;
  });
  return bulk.post(lines.join(""), { ...headers, "Content-Type": "application/x-ndjson" });
}

function rememberStreams({ streams }: Server, entries: readonly Document[]): void {
  if (streams.size > MAX_STREAMS) streams.clear();
  for (const { index } of entries) streams.add(index);
}

/** OpenSearch begins at 1 and calls itself `opensearch`; `Infinity` where it is not told. */
function majorVersion(text: string): number {
  let version: { readonly number?: unknown; readonly distribution?: unknown } | undefined;
  try {
    version = (JSON.parse(text) as { readonly version?: typeof version }).version;
  } catch {
    version = undefined;
  }
  if (version?.distribution === "opensearch") return 8;
  const major = Number.parseInt(String(version?.number), 10);
  return Number.isNaN(major) ? Infinity : major;
}

/** Statuses of documents that may be taken at another time. */
const isTransient = (status: number): boolean => status === 429 || status >= 500;

interface BulkError {
  readonly type?: unknown;
  readonly reason?: unknown;
}

interface BulkAnswer {
  readonly errors?: boolean;
  readonly items?: readonly Readonly<Record<string, { readonly status?: number; readonly error?: BulkError }>>[];
}

/** What became of the documents of a bulk request. */
interface BulkOutcome<Entry> {
  /** Worth another attempt. */
  readonly remaining: readonly Entry[];
  /** Meant for a data stream, which wants another action. */
  readonly streams: readonly Entry[];
  /** How many will never be taken. */
  readonly refused: number;
  /** Why, of the last. */
  readonly reason: string;
}

const NOTHING: BulkOutcome<never> = { remaining: [], streams: [], refused: 0, reason: "" };

/** Judges each document by itself; throws where the request as a whole was not taken. */
export function readBulk<Entry>(answer: HttpAnswer, entries: readonly Entry[]): BulkOutcome<Entry> {
  if (answer.status !== 200) throw refusal("Elasticsearch", answer);
  let parsed: BulkAnswer;
  try {
    parsed = JSON.parse(answer.body.toString("utf8")) as BulkAnswer;
  } catch {
    throw new BatchError("Elasticsearch's answer is no JSON", [], entries.length);
  }
  if (parsed.errors !== true) return NOTHING;
  const remaining: Entry[] = [];
  const streams: Entry[] = [];
  let refused = 0;
  let reason = "";
  for (const [i, item] of (parsed.items ?? []).entries()) {
    const [[action, result] = []] = Object.entries(item);
    const entry = entries[i];
    if (result?.error === undefined || entry === undefined) continue;
    const { status = 0, error } = result;
    if (isTransient(status)) remaining.push(entry);
    else if (action === "index" && status === 400 && /data stream/.test(String(error.reason))) streams.push(entry);
    else refused++;
    reason = `${status} ${String(error.type)}`;
  }
  return { remaining, streams, refused, reason };
}

function assertTaken({ remaining, refused, reason }: Omit<BulkOutcome<Document>, "streams">): void {
  const missing = remaining.length + refused;
  if (missing > 0)
    throw new BatchError(`Elasticsearch did not take ${missing} documents: ${reason}`, remaining, refused);
}

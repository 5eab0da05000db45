import { BatchError } from "../batch/batch-processor.ts";
import type { PluginDefinition } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { elasticsearchLogger as facts } from "./catalogue/loggers.ts";
import type { HttpAnswer } from "./http-call.ts";
import { logComments } from "./log-comments.ts";
import { compileIndex } from "./elasticsearch-index.ts";
import { createLogHttp, HTTP_CONCURRENCY, logHeaders, refusal, type LogHttp } from "./log-http.ts";
import { compileLogPlugin, type LogConf } from "./log-plugin.ts";

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

/** All that is looked at: thousands of documents make a long answer. */
const SHORT_ANSWER = "filter_path=errors,items.*.status,items.*.error.type";

/** A server; whether it wants a type with each document is known once it was asked for its version. */
interface Server {
  readonly root: LogHttp;
  readonly bulk: LogHttp;
  typed: boolean | null;
}

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

  compile(conf, env) {
    const options = { timeoutMs: conf.timeout * 1_000, verifyTls: conf.ssl_verify };
    const addresses = conf.endpoint_addrs ?? [conf.endpoint_addr ?? ""];
    const name = conf.endpoint_addrs === undefined ? "endpoint_addr" : "endpoint_addrs";
    const servers = addresses.map((address): Server => {
      const base = address.replace(/\/+$/, "");
      const root = createLogHttp(name, base, options);
      return { root, bulk: createLogHttp(name, `${base}/_bulk?${SHORT_ANSWER}`, options), typed: null };
    });
    const headers = { ...logHeaders("headers", conf.headers), ...credentials(conf.auth) };
    const indexOf = compileIndex(conf.field.index);
    return compileLogPlugin<Document>(conf, env, {
      plugin: facts.name,
      sink: {
        concurrency: HTTP_CONCURRENCY,
        async send(entries) {
          const server = servers[Math.floor(Math.random() * servers.length)]!;
          const typed = (server.typed ??= await wantsType(server, headers));
          const body = entries.map(({ index, text }) => `${action(index, typed)}\n${text}\n`).join("");
          const answer = await server.bulk.post(body, { ...headers, "Content-Type": "application/x-ndjson" });
          judgeBulk(answer, entries);
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

/** Versions before 7 want a type. */
async function wantsType({ root }: Server, headers: Record<string, string>): Promise<boolean> {
  const answer = await root.get(headers);
  if (answer.status !== 200) throw refusal("Elasticsearch, asked for its version,", answer);
  return majorVersion(answer.body.toString("utf8")) < 7;
}

/** The line before each document; data streams take `create` alone. */
const action = (index: string, typed: boolean): string =>
  JSON.stringify({ create: { _index: index, ...(typed ? { _type: "_doc" } : {}) } });

/** OpenSearch begins at 1 and calls itself `opensearch`. */
function majorVersion(text: string): number {
  let version: { readonly number?: unknown; readonly distribution?: unknown } | undefined;
  try {
    version = (JSON.parse(text) as { readonly version?: typeof version }).version;
  } catch {
    version = undefined;
  }
  if (version?.distribution === "opensearch") return 8;
  const major = Number.parseInt(String(version?.number), 10);
  if (Number.isNaN(major)) throw new Error("Elasticsearch does not say which version it is");
  return major;
}

/** Statuses of documents that may be taken at another time. */
const isTransient = (status: number): boolean => status === 429 || status >= 500;

interface BulkAnswer {
  readonly errors?: boolean;
  readonly items?: readonly Readonly<Record<string, { readonly status?: number; readonly error?: unknown }>>[];
}

/** Throws where not every document was taken: each is judged by itself. */
export function judgeBulk<Entry>(answer: HttpAnswer, entries: readonly Entry[]): void {
  if (answer.status !== 200) throw refusal("Elasticsearch", answer);
  let parsed: BulkAnswer;
  try {
    parsed = JSON.parse(answer.body.toString("utf8")) as BulkAnswer;
  } catch {
    throw new BatchError("Elasticsearch's answer is no JSON", [], entries.length);
  }
  if (parsed.errors !== true) return;
  const remaining: Entry[] = [];
  let refused = 0;
  let reason = "";
  for (const [i, item] of (parsed.items ?? []).entries()) {
    const [result] = Object.values(item);
    const entry = entries[i];
    if (result?.error === undefined || entry === undefined) continue;
    if (isTransient(result.status ?? 0)) remaining.push(entry);
    else refused++;
    const { type } = result.error as { readonly type?: unknown };
    reason = `${result.status} ${String(type)}`;
  }
  throw new BatchError(
    `Elasticsearch did not take ${remaining.length + refused} documents: ${reason}`,
    remaining,
    refused,
  );
}

import type { IncomingMessage } from "node:http";
import { reasonOf } from "../lib/errors.ts";
import { hopByHop } from "../lib/hop-by-hop.ts";
import { loadHttps } from "../lib/lazy-https.ts";
import { Agent, request } from "../lib/node-http.ts";
import type { RequestContext } from "../plugin/context.ts";
import { definePlugin, reply, type Reply } from "../plugin/plugin.ts";
import { parseBatch, type Batch, type BatchItem } from "./batch-requests-body.ts";
import { readAtMost } from "../lib/read-at-most.ts";

const PATH = "/apisix/batch-requests";
const DEFAULT_MAX_BODY = 1_048_576;
/** Bytes of all answers of a batch together. */
const MAX_ANSWERS = 67_108_864;

/** Headers of the client that its batch does not hand on: for one hop, of its own body, or not to be believed. */
const OWN = new Set([
  ...hopByHop,
  "accept-encoding",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
]);

export const batchRequests = definePlugin({
  name: "batch-requests",
  summary: "Answers `/apisix/batch-requests`, where public-api leads there: several requests in one.",
  priority: 4010,
  version: "0.1",
  schema: { type: "object", properties: {} },
  metadataSchema: {
    type: "object",
    properties: {
      max_body_size: {
        type: "integer",
        exclusiveMinimum: 0,
        default: DEFAULT_MAX_BODY,
        description: "Bytes of a request's body.",
      },
    },
  },

  compile(_, env) {
    const limit = (): number => (env.metadata?.["max_body_size"] as number | undefined) ?? DEFAULT_MAX_BODY;
    return { publicApis: new Map([[PATH, (ctx: RequestContext) => answer(ctx, limit())]]) };
  },
});

async function answer(ctx: RequestContext, limit: number): Promise<Reply> {
  if (ctx.method !== "POST") return reply(404);
  const body = await ctx.readBody(limit);
  if (body === null) return reply(413, { error_msg: `the request body is larger than ${limit} bytes` });
  if (body.length === 0) {
    return reply(400, { error_msg: "no request body, you should give at least one pipeline setting" });
  }
  const batch = parseBatch(body.toString());
  if (typeof batch === "string") return reply(400, { error_msg: batch });
  const answers = await sendAll(batch, ctx);
  return reply(200, answers, [["Content-Type", "application/json"]]);
}

/** The answer to one request of a batch. */
interface ItemAnswer {
  readonly status: number;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Sends the requests of a batch one after the other on one connection to this gateway. */
async function sendAll({ items, timeoutMs }: Batch, ctx: RequestContext): Promise<readonly ItemAnswer[]> {
  const { agent, ask } = connectionFor(ctx);
  const common = headersOf(ctx);
  const answers: ItemAnswer[] = [];
  let left = MAX_ANSWERS;
  try {
    for (const item of items) {
      const got = await send(item, { agent, ask, port: ctx.serverPort, common, client: ctx, timeoutMs, limit: left });
      left -= got.body?.length ?? 0;
      answers.push(got);
    }
  } finally {
    agent.destroy();
  }
  return answers;
}

/** One connection to the port that the batch came in on, with TLS where that has it; this gateway needs no proof. */
function connectionFor({ tls }: RequestContext): Pick<Surroundings, "agent" | "ask"> {
  const one = { keepAlive: true, maxSockets: 1 };
  if (tls === null) return { agent: new Agent(one), ask: request };
  const https = loadHttps();
  const agent = new https.Agent({ ...one, servername: tls.serverName, rejectUnauthorized: false });
  return { agent, ask: https.request };
}

interface Surroundings {
  readonly agent: InstanceType<typeof Agent>;
  readonly ask: typeof request;
  readonly port: number;
  readonly common: Readonly<Record<string, string>>;
  readonly client: RequestContext;
  readonly timeoutMs: number;
  /** Bytes that the answer's body may have. */
  readonly limit: number;
}

function send(
  item: BatchItem,
  { agent, ask, port, common, client, timeoutMs, limit }: Surroundings,
): Promise<ItemAnswer> {
  const { promise, resolve } = Promise.withResolvers<ItemAnswer>();
  try {
    const { method } = item;
    const headers: Record<string, string> = { ...common, ...withoutOwn(item.headers, client.realIpHeader) };
    headers[client.realIpHeader] = client.remoteAddr;
    headers["content-length"] = String(Buffer.byteLength(item.body ?? ""));
    const sent = ask({ host: "127.0.0.1", port, agent, method, path: pathOf(item), headers });
    const deadline = setTimeout(() => {
      resolve({ status: 504, reason: "upstream timeout" });
      sent.destroy();
    }, timeoutMs);
    sent.on("close", () => clearTimeout(deadline));
    sent.on("error", (error) => resolve({ status: 502, reason: reasonOf(error) }));
    sent.on("response", (response) => {
      collect(response, limit).then(resolve, (error: unknown) => {
        resolve({ status: 502, reason: reasonOf(error) });
        sent.destroy();
      });
    });
    sent.end(item.body ?? undefined);
  } catch (error) {
    resolve({ status: 400, reason: reasonOf(error) });
  }
  return promise;
}

async function collect(response: IncomingMessage, limit: number): Promise<ItemAnswer> {
  const body = await readAtMost(response, limit);
  if (body === null) throw new Error("the answers are too large");
  const headers: Record<string, string> = {};
  const { rawHeaders } = response;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const value = rawHeaders[i + 1] as string;
    headers[name] = Object.hasOwn(headers, name) ? `${headers[name]}, ${value}` : value;
  }
  const { statusCode: status = 0, statusMessage: reason = "" } = response;
  return { status, reason, headers, body: body.toString() };
}

/** The client's headers that apply to every request: all but those of its body and its connection. */
function headersOf(ctx: RequestContext): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name] of ctx.headers()) {
    const lower = name.toLowerCase();
    if (!lower.startsWith("content-")) all[lower] = ctx.header(lower) ?? "";
  }
  return withoutOwn(all, ctx.realIpHeader);
}

function withoutOwn(headers: Readonly<Record<string, string>>, realIpHeader: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !OWN.has(name) && name !== realIpHeader && name !== "content-length"),
  );
}

function pathOf({ path, query }: BatchItem): string {
  const added = new URLSearchParams(query).toString();
  if (added === "") return path;
  return `${path}${path.includes("?") ? "&" : "?"}${added}`;
}

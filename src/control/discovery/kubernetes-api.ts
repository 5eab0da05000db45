import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import { loadHttps } from "../../lib/lazy-https.ts";
import { request as httpRequest } from "../../lib/node-http.ts";
import { readAtMost } from "../../lib/read-at-most.ts";
import type { KubernetesSettings } from "../../settings/settings.ts";

/** One page of a list. */
export interface ListPage {
  readonly items?: readonly unknown[] | null;
  readonly metadata?: { readonly resourceVersion?: unknown; readonly continue?: unknown };
}

/** Bytes of one list, and of one line of a watch. */
const MAX_BYTES = 268_435_456;
/** For a connection with the head of its answer, and for one page of a list. */
const ANSWER_MS = 30_000;
/** Over the time that the server was given for a watch: then it is gone without a word. */
const WATCH_GRACE_MS = 30_000;
/** What nobody sends anything on is asked whether it is still there after so long. */
const KEEPALIVE_MS = 30_000;

/** One page of a list. Rejects with an Error where there is none within the time. */
export async function listPage(
  settings: KubernetesSettings,
  path: string,
  signal: AbortSignal,
  authorities: () => readonly string[],
): Promise<ListPage> {
  const limit = AbortSignal.timeout(ANSWER_MS);
  try {
    const response = await open(settings, path, AbortSignal.any([signal, limit]), authorities);
    const text = await readAtMost(response, MAX_BYTES);
    if (text === null) throw new Error("the list is too long");
    return JSON.parse(text.toString("utf8")) as ListPage;
  } catch (thrown) {
    throw limit.aborted ? new Error(`no list within ${ANSWER_MS / 1_000} s`) : thrown;
  }
}

/**
 * The lines of a watch, until the server ends it. Rejects where it breaks off, and where the
 * server neither ends it nor answers in time.
 */
export async function* watchLines(
  settings: KubernetesSettings,
  path: string,
  seconds: number,
  signal: AbortSignal,
  authorities: () => readonly string[],
): AsyncIterable<string> {
  const late = new AbortController();
  let timer = setTimeout(() => late.abort(), ANSWER_MS);
  try {
    const response = await open(settings, path, AbortSignal.any([signal, late.signal]), authorities);
    clearTimeout(timer);
    timer = setTimeout(() => late.abort(), seconds * 1_000 + WATCH_GRACE_MS);
    response.setEncoding("utf8");
    let rest = "";
    for await (const part of response as AsyncIterable<string>) {
      rest += part;
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_BYTES) throw new Error("a line of the watch is too long");
      yield* lines.filter((line) => line !== "");
    }
  } catch (thrown) {
    throw late.signal.aborted ? new Error("the server neither answers nor ends the watch") : thrown;
  } finally {
    clearTimeout(timer);
  }
}

async function open(
  settings: KubernetesSettings,
  path: string,
  signal: AbortSignal,
  authorities: () => readonly string[],
): Promise<IncomingMessage> {
  const { secure, host, port, tokenFile } = settings;
  // The file is read anew each time: its token is replaced every hour.
  const token = settings.token ?? (tokenFile === null ? null : readFileSync(tokenFile, "utf8").trim());
  const headers = { Accept: "application/json", ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
  const options: RequestOptions = { host, port, path, headers, agent: false, signal };
  return await new Promise((resolve, reject) => {
    const outgoing = secure
      ? loadHttps().request({ ...options, ...tlsOptions(settings, authorities) })
      : httpRequest(options);
    // A connection that a firewall has forgotten ends neither by itself nor by what is sent on it.
    outgoing.once("socket", (socket) => socket.setKeepAlive(true, KEEPALIVE_MS));
    outgoing.once("response", (response) => {
      if (response.statusCode === 200) resolve(response);
      else {
        response.resume();
        reject(new Error(`status ${response.statusCode} of the API server`));
      }
    });
    outgoing.once("error", reject);
    outgoing.end();
  });
}

/** By the cluster's own authority where it is known, else by those that are trusted otherwise. */
function tlsOptions({ verify, caFile }: KubernetesSettings, authorities: () => readonly string[]): RequestOptions {
  if (!verify) return { rejectUnauthorized: false };
  if (caFile !== null) return { ca: readFileSync(caFile) };
  return { ca: [...authorities()] };
}

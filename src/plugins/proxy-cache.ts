import { monotonicMs } from "../lib/clock.ts";
import type { RequestContext, ResponseHead } from "../plugin/context.ts";
import { definePlugin, reply, type Reply } from "../plugin/plugin.ts";
import { compileVariable, type VariableAccessor } from "../plugin/variables.ts";
import { freshnessMs, parseCacheControl, secondsOf, type Directives } from "./proxy-cache-control.ts";
import { CacheStore, type CachedAnswer } from "./proxy-cache-store.ts";

/** Bytes of the zone `memory_cache` in each worker. */
const ZONE_BYTES = 50 * 1_048_576;
const STATUS = "Apisix-Cache-Status";
/** What later phases know of a request. */
const STATE = "proxy-cache";
const cacheName = "(^[^\\$].+$|^\\$[0-9a-zA-Z_]+$)";

/** Zones of APISIX's default configuration; one in memory has no path on a disk. */
const zones = new Map([
  ["disk_cache_one", "disk"],
  ["memory_cache", "memory"],
]);

/** The zone in memory of this thread; it outlives changes of the configuration. */
const store = new CacheStore(ZONE_BYTES);

export const proxyCache = definePlugin({
  name: "proxy-cache",
  summary: "Keeps answers in memory and answers repeated requests with them.",
  priority: 1085,
  version: "0.2",
  schema: {
    type: "object",
    properties: {
      cache_zone: {
        type: "string",
        minLength: 1,
        maxLength: 100,
        default: "disk_cache_one",
        $comment: "`memory_cache` for the strategy `memory`.",
      },
      cache_strategy: {
        type: "string",
        enum: ["disk", "memory"],
        default: "disk",
        $comment: "Where answers are kept; `disk` is not supported yet.",
      },
      cache_ttl: { type: "integer", minimum: 1, default: 300, $comment: "Seconds for which an answer is kept." },
      consumer_isolation: { type: "boolean", default: true, $comment: "Whether each consumer has answers of its own." },
      cache_set_cookie: { type: "boolean", default: false, $comment: "Whether answers with `Set-Cookie` are kept." },
      cache_key: {
        type: "array",
        items: { type: "string", pattern: cacheName, description: "Part of the key." },
        minItems: 1,
        default: ["$host", "$request_uri"],
        $comment: "Variables and texts that an answer is found by.",
      },
      cache_http_status: {
        type: "array",
        items: { type: "integer", minimum: 200, maximum: 599, description: "Status of an answer that is kept." },
        $comment: "Statuses of answers that are kept; never 206 and 304.",
        minItems: 1,
        uniqueItems: true,
        default: [200, 301, 404],
      },
      cache_method: {
        type: "array",
        items: { type: "string", enum: ["GET", "POST", "HEAD"], description: "Method whose answers are kept." },
        $comment: "Methods whose answers are kept; HEAD is answered with what GET has left.",
        minItems: 1,
        uniqueItems: true,
        default: ["GET", "HEAD"],
      },
      hide_cache_headers: {
        type: "boolean",
        default: false,
        $comment: "Removes `Expires` and `Cache-Control` from answers.",
      },
      cache_control: {
        type: "boolean",
        default: false,
        $comment: "Whether `Cache-Control` of requests and answers, and `Expires`, decide (RFC 9111).",
      },
      cache_bypass: {
        type: "array",
        items: { type: "string", pattern: cacheName },
        minItems: 1,
        $comment: "Where one of them is neither empty nor `0`, the node is asked.",
      },
      no_cache: {
        type: "array",
        items: { type: "string", pattern: cacheName },
        minItems: 1,
        $comment: "Where one of them is neither empty nor `0`, the answer is not kept.",
      },
      max_resp_body_size: {
        type: "integer",
        minimum: 1,
        default: 67108864,
        description: "Greatest size in bytes of a body that is kept in memory.",
      },
    },
  },
  checkConf({ cache_zone: zone, cache_strategy: strategy }) {
    const kind = zones.get(String(zone));
    if (kind === undefined) return `cache_zone ${String(zone)} not found`;
    return kind === strategy ? null : `invalid or empty cache_zone for cache_strategy: ${String(strategy)}`;
  },

  compile(conf) {
    if (conf.cache_strategy === "disk") {
      throw new Error('cache_strategy "disk" is not supported yet; use "memory" with cache_zone "memory_cache"');
    }
    const key = compileKey(conf.cache_key, conf.consumer_isolation);
    const methods = new Set<string>(conf.cache_method);
    const bypass = compileSwitch(conf.cache_bypass);
    const noCache = compileSwitch(conf.no_cache);
    const statuses = new Set(conf.cache_http_status);
    const { cache_control: obey, cache_ttl: ttl, cache_set_cookie: cookies, hide_cache_headers: hide } = conf;
    const maxBody = conf.max_resp_body_size;
    const storable = (head: ResponseHead): boolean =>
      head.fromUpstream && statuses.has(head.status) && (cookies || head.header("set-cookie") === undefined);

    return {
      access(ctx) {
        if (ctx.method === "PURGE") return purge(key(ctx));
        const state = { status: "MISS", key: "", pending: null };
        ctx.values.set(STATE, state);
        if (methods.has(ctx.method)) return lookUp(ctx, state);
        return undefined;
      },
      header_filter(ctx, head) {
        const state = ctx.values.get(STATE) as State | undefined;
        if (state === undefined) return;
        ctx.values.set("upstream_cache_status", state.status);
        head.setHeader(STATUS, state.status);
        if (state.key !== "" && ctx.method !== "HEAD" && storable(head) && !noCache(ctx)) collect(ctx, state, head);
        if (!hide) return;
        head.removeHeader("Expires");
        head.removeHeader("Cache-Control");
      },
      body_filter(ctx, chunk, last) {
        const state = ctx.values.get(STATE) as State | undefined;
        const pending = state?.pending;
        if (state === undefined || pending === undefined || pending === null) return chunk;
        if (!pending.add(chunk)) state.pending = null;
        else if (last) {
          state.pending = null;
          pending.finish();
        }
        return chunk;
      },
      log(ctx) {
        // An answer that broke off is not kept.
        (ctx.values.get(STATE) as State | undefined)?.pending?.drop();
      },
    };

    function lookUp(ctx: RequestContext, state: State): Reply | undefined {
      const wishes = obey ? parseCacheControl(ctx.header("cache-control")) : null;
      if (bypass(ctx) || wishes?.has("no-store") === true) {
        state.status = "BYPASS";
        return undefined;
      }
      state.key = `${ctx.method === "POST" ? "POST" : "GET"}\n${key(ctx)}`;
      const kept = store.find(state.key, (name) => ctx.header(name));
      state.status = kept === undefined ? "MISS" : judge(kept, wishes);
      if (kept !== undefined && state.status === "HIT") {
        // Nothing is stored again.
        state.key = "";
        return replay(kept);
      }
      return wishes?.has("only-if-cached") === true ? reply(504) : undefined;
    }

    /** Begins to collect an answer that may be kept. */
    function collect(ctx: RequestContext, state: State, head: ResponseHead): void {
      const ttlMs = obey ? freshnessMs(head.header("cache-control"), head.header("expires")) : ttl * 1_000;
      const vary = variesBy(head.header("vary"));
      if (ttlMs <= 0 || vary === null || head.status === 206 || head.status === 304) return;
      const { status } = head;
      const headers = head.received();
      const cacheKey = state.key;
      state.pending = new Collected(maxBody, (body) => {
        const answer = { status, headers, body, storedAt: monotonicMs(), ttlMs };
        store.put(cacheKey, vary, (name) => ctx.header(name), answer);
      });
    }
  },
});

/** What the phases know of one request. */
interface State {
  status: string;
  /** `""`: the answer is not to be kept. */
  key: string;
  pending: Collected | null;
}

/** The body of an answer on its way to the client, as far as it has come. */
class Collected {
  readonly #limit: number;
  readonly #done: (body: Buffer) => void;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(limit: number, done: (body: Buffer) => void) {
    this.#limit = limit;
    this.#done = done;
  }

  /** False: it is too long, or there is no room; nothing is held any more. */
  add(piece: Buffer): boolean {
    if (piece.length === 0) return true;
    if (this.#bytes + piece.length <= this.#limit && store.reserve(piece.length)) {
      this.#pieces.push(piece);
      this.#bytes += piece.length;
      return true;
    }
    this.drop();
    return false;
  }

  finish(): void {
    const body = Buffer.concat(this.#pieces);
    this.drop();
    this.#done(body);
  }

  drop(): void {
    store.release(this.#bytes);
    this.#bytes = 0;
    this.#pieces.length = 0;
  }
}

function purge(key: string): Reply {
  const got = store.delete(`GET\n${key}`);
  const posted = store.delete(`POST\n${key}`);
  return got || posted ? reply(200, "", [["Content-Type", "text/plain"]]) : reply(404);
}

function replay({ status, headers, body, storedAt }: CachedAnswer): Reply {
  const age = String(Math.floor((monotonicMs() - storedAt) / 1_000));
  return { status, headers: [...headers.filter(([name]) => name.toLowerCase() !== "age"), ["Age", age]], body };
}

/** Whether a kept answer may be used, and what the client asks of its age (RFC 9111 section 5.2.1). */
function judge({ storedAt, ttlMs }: CachedAnswer, wishes: Directives | null): "HIT" | "EXPIRED" | "STALE" {
  const ageMs = monotonicMs() - storedAt;
  const over = ageMs - ttlMs;
  if (wishes === null) return over >= 0 ? "EXPIRED" : "HIT";
  const maxAge = secondsOf(wishes, "max-age");
  const minFresh = secondsOf(wishes, "min-fresh");
  if (wishes.has("no-cache") || (maxAge !== null && ageMs > maxAge * 1_000)) return "STALE";
  if (minFresh !== null && -over < minFresh * 1_000) return "STALE";
  if (over < 0) return "HIT";
  const maxStale = secondsOf(wishes, "max-stale");
  return maxStale !== null && over <= maxStale * 1_000 ? "HIT" : "EXPIRED";
}

/** Names in `Vary`, in lower case and sorted; `null`: nothing tells when the answer would fit again. */
function variesBy(value: string | undefined): readonly string[] | null {
  if (value === undefined) return [];
  const names = value.split(",").map((name) => name.trim().toLowerCase());
  return names.includes("*") ? null : [...new Set(names.filter((name) => name !== ""))].sort();
}

function compileKey(parts: readonly string[], isolated: boolean): (ctx: RequestContext) => string {
  const readers = parts.map((part): VariableAccessor => {
    return part.startsWith("$") ? compileVariable(part.slice(1)) : () => part;
  });
  return (ctx) => {
    let key = isolated && ctx.consumer !== null ? ctx.consumer.username : "";
    for (const read of readers) key += `\n${read(ctx) ?? ""}`;
    return key;
  };
}

/** Whether one of the values is neither empty nor `0`. */
function compileSwitch(parts: readonly string[] | undefined): (ctx: RequestContext) => boolean {
  const readers = (parts ?? []).map((part): VariableAccessor => {
    return part.startsWith("$") ? compileVariable(part.slice(1)) : () => part;
  });
  return (ctx) => {
    for (const read of readers) {
      const value = read(ctx) ?? "";
      if (value !== "" && value !== "0") return true;
    }
    return false;
  };
}

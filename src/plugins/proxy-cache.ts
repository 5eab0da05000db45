import type { RequestContext, ResponseHead } from "../plugin/context.ts";
import { definePlugin, reply, type Reply } from "../plugin/plugin.ts";
import { compileVariable, type VariableAccessor } from "../plugin/variables.ts";
import { freshnessMs, parseCacheControl, secondsOf, type Directives } from "./proxy-cache-control.ts";
import type { CachedAnswer } from "./proxy-cache-store.ts";
import type { CacheZone, Collection } from "./proxy-cache-zone.ts";
import { cacheSettingsIn, cacheZoneFault, zoneOf } from "./proxy-cache-zones.ts";

const STATUS = "Apisix-Cache-Status";
const cacheName = "(^[^\\$].+$|^\\$[0-9a-zA-Z_]+$)";

export const proxyCache = definePlugin({
  name: "proxy-cache",
  summary: "Keeps answers, in memory or on disk, and answers repeated requests with them.",
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
        $comment: "One of `apisix.proxy_cache.zones` in `config.yaml`, of the kind that the strategy wants.",
      },
      cache_strategy: {
        type: "string",
        enum: ["disk", "memory"],
        default: "disk",
        $comment: "`disk`: in files that all workers share and that outlive a restart; `memory`: in each worker.",
      },
      cache_ttl: {
        type: "integer",
        minimum: 1,
        default: 300,
        $comment:
          "Seconds for which an answer is kept in memory. On disk headers decide, or `apisix.proxy_cache.cache_ttl`.",
      },
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
        $comment: "Whether `Cache-Control` of requests and answers, and `Expires`, decide in memory (RFC 9111).",
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
        $comment: "The same on disk.",
      },
    },
  },
  checkConf: cacheZoneFault,

  compile(conf, env) {
    const zone = zoneOf(conf.cache_zone, env);
    const onDisk = conf.cache_strategy === "disk";
    const { ttlMs: defaultTtlMs } = cacheSettingsIn(env.attr);
    const key = compileKey(conf.cache_key, conf.consumer_isolation);
    const methods = new Set<string>(conf.cache_method);
    const bypass = compileSwitch(conf.cache_bypass);
    const noCache = compileSwitch(conf.no_cache);
    const statuses = new Set(conf.cache_http_status);
    const { cache_ttl: ttl, cache_set_cookie: cookies, hide_cache_headers: hide } = conf;
    const obey = conf.cache_control && !onDisk;
    const maxBody = conf.max_resp_body_size;
    // Each instance has its own: a global rule and a route may both keep answers.
    const states = new WeakMap<RequestContext, State>();
    const storable = (ctx: RequestContext, head: ResponseHead): boolean => {
      if (!head.fromUpstream) return onDisk && ctx.attempts.length > 0 && unavailable.has(head.status);
      return statuses.has(head.status) && (cookies || head.header("set-cookie") === undefined);
    };

    return {
      access(ctx) {
        if (ctx.method === "PURGE") return purge(zone, key(ctx));
        const state: State = { status: "MISS", key: "", pending: null, room: 0 };
        states.set(ctx, state);
        if (methods.has(ctx.method)) return lookUp(ctx, state);
        return undefined;
      },
      header_filter(ctx, head) {
        const state = states.get(ctx);
        if (state === undefined) return;
        ctx.values.set("upstream_cache_status", state.status);
        head.setHeader(STATUS, state.status);
        if (state.key !== "" && ctx.method !== "HEAD" && storable(ctx, head) && !noCache(ctx))
          collect(ctx, state, head);
        if (!hide) return;
        head.removeHeader("Expires");
        head.removeHeader("Cache-Control");
      },
      body_filter(ctx, chunk, last) {
        const state = states.get(ctx);
        const pending = state?.pending;
        if (state === undefined || pending === undefined || pending === null) return chunk;
        state.room -= chunk.length;
        if (state.room < 0) pending.drop();
        if (state.room < 0 || (chunk.length > 0 && !pending.add(chunk))) state.pending = null;
        else if (last) {
          state.pending = null;
          pending.finish();
        }
        return chunk;
      },
      log(ctx) {
        // An answer that broke off is not kept.
        states.get(ctx)?.pending?.drop();
      },
    };

    function lookUp(ctx: RequestContext, state: State): Reply | undefined | Promise<Reply | undefined> {
      const wishes = obey ? parseCacheControl(ctx.header("cache-control")) : null;
      if (bypass(ctx) || wishes?.has("no-store") === true) {
        state.status = "BYPASS";
        return undefined;
      }
      state.key = `${ctx.method === "POST" ? "POST" : "GET"}\n${key(ctx)}`;
      const kept = zone.find(state.key, (name) => ctx.header(name));
      return kept instanceof Promise ? kept.then((found) => use(found, state, wishes)) : use(kept, state, wishes);
    }

    function use(kept: CachedAnswer | undefined, state: State, wishes: Directives | null): Reply | undefined {
      const ageMs = kept === undefined ? 0 : zone.now() - kept.storedAt;
      state.status = kept === undefined ? "MISS" : judge(ageMs, kept.ttlMs, wishes);
      if (kept !== undefined && state.status === "HIT") {
        // Nothing is stored again.
        state.key = "";
        return replay(kept, ageMs);
      }
      return wishes?.has("only-if-cached") === true ? reply(504) : undefined;
    }

    /** Begins to collect an answer that may be kept. */
    function collect(ctx: RequestContext, state: State, head: ResponseHead): void {
      const control = head.header("cache-control");
      const fallbackMs = onDisk ? defaultTtlMs : 0;
      const ttlMs = obey || onDisk ? freshnessMs(control, head.header("expires"), fallbackMs) : ttl * 1_000;
      const vary = variesBy(head.header("vary"));
      if (ttlMs <= 0 || vary === null || head.status === 206 || head.status === 304) return;
      const answer = { status: head.status, headers: headersOf(head), storedAt: zone.now(), ttlMs };
      state.pending = zone.keep(state.key, vary, (name) => ctx.header(name), answer);
      state.room = maxBody;
    }
  },
});

/** What the phases know of one request. */
interface State {
  status: string;
  /** `""`: the answer is not to be kept. */
  key: string;
  pending: Collection | null;
  /** Bytes of the body that may still come to be kept. */
  room: number;
}

/** What the gateway answers for a node that cannot be reached: kept on disk, whatever `cache_http_status` says. */
const unavailable: ReadonlySet<number> = new Set([502, 504]);

/** The headers that are kept; of the gateway's own answers the type of the page. */
function headersOf(head: ResponseHead): CachedAnswer["headers"] {
  return head.fromUpstream ? head.received() : [["Content-Type", head.header("content-type") ?? "text/html"]];
}

/** An answer to PURGE. */
function purge(zone: CacheZone, key: string): Reply | Promise<Reply> {
  const answer = (found: readonly boolean[]): Reply =>
    found.includes(true) ? reply(200, "", [["Content-Type", "text/plain"]]) : reply(404);
  const [got, posted] = [zone.purge(`GET\n${key}`), zone.purge(`POST\n${key}`)];
  if (typeof got === "boolean" && typeof posted === "boolean") return answer([got, posted]);
  return Promise.all([got, posted]).then(answer);
}

function replay({ status, headers, body }: CachedAnswer, ageMs: number): Reply {
  const age = String(Math.max(0, Math.floor(ageMs / 1_000)));
  return { status, headers: [...headers.filter(([name]) => name.toLowerCase() !== "age"), ["Age", age]], body };
}

/** Whether a kept answer may be used, and what the client asks of its age (RFC 9111 section 5.2.1). */
function judge(ageMs: number, ttlMs: number, wishes: Directives | null): "HIT" | "EXPIRED" | "STALE" {
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

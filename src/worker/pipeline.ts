import type { Plan, RequestHandler } from "../compile/plan.ts";
import { type ErrorCode, errors, reasonOf } from "../lib/errors.ts";
import type { Reply } from "../plugin/plugin.ts";
import { failureReport } from "../plugins/user/failure-text.ts";
import { chosenUpstream } from "../compile/upstreams.ts";
import type { ResponseText } from "../upstream/response-head.ts";
import type { BodyUse } from "../plugin/context.ts";
import { Answer, nameUpstreamStatus } from "./answer.ts";
import { BodyFilters } from "./body-filters.ts";
import { mayAsk } from "./client-proof.ts";
import type { BufferOwner, Downstream, DownstreamSink } from "./downstream.ts";
import { EarlyBody, limitOf } from "./early-body.ts";
import { type Environment, httpDate } from "./environment.ts";
import { LINE_TOO_LONG } from "./http1/request-head.ts";
import { noPlan } from "./no-plan.ts";
import type { NodeRelay, RelayOwner } from "./node-relay.ts";
import { loadGrpc } from "./rare-parts.ts";
import { Relay } from "./relay.ts";
import type { BodyReader, HttpRequestContext } from "./request-context.ts";
import { statusPage } from "../lib/status-pages.ts";

/**
 * The life of one request:
 *
 *   match ▶ rewrite ▶ consumer's rewrite ▶ access ▶ before_proxy ▶ relay ▶ header_filter ▶ body_filter ▶ log
 *     │404     └──────────┴──────────────────┴─────────┴─ a plugin may answer; one that throws makes 500
 *     └─ `log` always runs, once, also when the client went away
 */

const Stage = { rewrite: 0, consumerRewrite: 1, access: 2, beforeProxy: 3, relay: 4 } as const;
const stageNames = ["rewrite", "consumerRewrite", "access", "beforeProxy"] as const;

const EMPTY = Buffer.alloc(0);
const NOT_FOUND = Buffer.from('{"error_msg":"404 Route Not Found"}\n');
/** What nginx logs when the client went away before its answer. */
const CLIENT_CLOSED = 499;

export class Exchange implements RelayOwner, DownstreamSink, BodyReader {
  readonly ctx: HttpRequestContext;
  timed = false;
  readonly #env: Environment;
  readonly #downstream: Downstream;
  #plan = noPlan;
  /** The body as far as it was read before it was asked for by the relay. */
  #early: EarlyBody | null = null;
  #relay: NodeRelay | null = null;
  #answer: Answer | null = null;
  #filters: BodyFilters | null = null;
  /** Bytes of the body that the announced length still allows; `Infinity` without one. */
  #announced = Infinity;
  /** The body is not the upstream's: what comes from there is dropped, once `#filters` have seen it. */
  #replaced = false;
  #ended = false;

  constructor(env: Environment, downstream: Downstream, ctx: HttpRequestContext) {
    this.#env = env;
    this.#downstream = downstream;
    this.ctx = ctx;
    ctx.bodyReader = this;
  }

  /** Matches and runs the phases; everything else follows from events. */
  start(): void {
    const { ctx } = this;
    if (this.#env.routePath !== null) ctx.routePath = this.#env.routePath(ctx.target, ctx.uri);
    if (ctx.peer.tls !== null && !mayAsk(ctx, this.#env.certificates)) {
      this.#fail("DOWNSTREAM_UNPROVEN");
      return;
    }
    let plan: Plan;
    try {
      plan = this.#env.engine.match(ctx, ctx.head.host);
      if (ctx.bodyWanted === null && plan.bodyUses !== null) for (const use of plan.bodyUses) ctx.bodyFor(use);
    } catch (error) {
      this.#env.log.error(`matching ${ctx.method} ${ctx.uri}: ${reasonOf(error)}`);
      this.#fail("INTERNAL");
      return;
    }
    if (ctx.bodyWanted !== null) {
      this.#readBody(ctx.bodyWanted, () => this.start());
      return;
    }
    this.#plan = plan;
    ctx.route = plan.route;
    this.timed = this.#env.accessLog !== null || this.#plan.log !== null || this.#plan.headerFilter !== null;
    if (this.#env.loggedBody > 0) ctx.captureBody(this.#env.loggedBody);
    const limit = this.#env.settings.http.clientMaxBodySize;
    if (limit > 0 && ctx.head.bodyLength > limit) this.#fail("DOWNSTREAM_BODY_TOO_LARGE");
    else this.#advance(Stage.rewrite, 0);
  }

  /** Reads the body as far as conditions may look into it, and then goes on with `next`. */
  #readBody(uses: ReadonlySet<BodyUse>, next: () => void): void {
    const { ctx } = this;
    const { settings } = this.#env;
    const { bodyLength } = ctx.head;
    const limit = Math.max(...Array.from(uses, (use) => limitOf(use, settings.matching)));
    const bodyLimit = settings.http.clientMaxBodySize;
    const early = (this.#early ??= new EarlyBody());
    const done = (): void => {
      const bodies = (ctx.bodies ??= new Map());
      for (const use of uses) bodies.set(use, early.seenBy(use, settings.matching));
      ctx.bodyWanted = null;
      next();
    };
    if (bodyLength > limit || (bodyLimit > 0 && bodyLength > bodyLimit)) done();
    else early.read(this.#downstream, limit, done);
  }

  /** Reads the body for a plugin, as far as it allows. */
  readBody(limit: number): Promise<Buffer | null> {
    const { bodyLength } = this.ctx.head;
    if (bodyLength === 0 || bodyLength > limit) return Promise.resolve(bodyLength === 0 ? EMPTY : null);
    const early = (this.#early ??= new EarlyBody());
    return new Promise((resolve) => {
      early.read(this.#downstream, limit, () => resolve(early.length <= limit ? early.whole() : null));
    });
  }

  get readSoFar(): readonly Buffer[] {
    return this.#early === null ? [] : this.#early.pieces;
  }

  /** Answers with the page of an error before anything was matched. */
  refuse(code: ErrorCode, detail: string): void {
    this.#fail(code, detail);
  }

  // ---- phases

  #handlers(stage: number): readonly RequestHandler[] | null {
    if (stage === Stage.rewrite) return this.#plan.rewrite;
    if (stage === Stage.consumerRewrite) return this.#withConsumer();
    return stage === Stage.access ? this.#plan.access : this.#plan.beforeProxy;
  }

  /** Changes to the plan that holds the consumer's plugins. */
  #withConsumer(): readonly RequestHandler[] | null {
    const { consumer } = this.ctx;
    if (consumer === null) return null;
    this.#plan = this.#plan.withConsumer(consumer);
    if (this.#plan.bodyUses !== null) for (const use of this.#plan.bodyUses) this.ctx.bodyFor(use);
    this.timed ||= this.#plan.log !== null || this.#plan.headerFilter !== null;
    return this.#plan.consumerRewrite;
  }

  #advance(from: number, first: number): void {
    let index = first;
    for (let stage = from; stage < Stage.relay; stage++, index = 0) {
      const handlers = index > 0 ? this.#plan[stageNames[stage] ?? "access"] : this.#handlers(stage);
      if (stage === Stage.consumerRewrite && index === 0 && this.ctx.bodyWanted !== null) {
        // What the consumer brought may look into it; no handler of this stage has run yet.
        this.#readBody(this.ctx.bodyWanted, () => {
          if (!this.#ended) this.#advance(stage, 0);
        });
        return;
      }
      if (handlers === null) continue;
      for (; index < handlers.length; index++) {
        const handler = handlers[index]!;
        let result: Reply | void | Promise<Reply | void>;
        try {
          result = handler.run(this.ctx);
        } catch (error) {
          this.#pluginFailed(handler.plugin, error);
          return;
        }
        if (result === undefined) continue;
        if (result instanceof Promise) this.#await(result, handler.plugin, stage, index + 1);
        else this.#reply(result);
        return;
      }
    }
    this.#proxy();
  }

  #await(result: Promise<Reply | void>, plugin: string, stage: number, next: number): void {
    result.then(
      (reply) => {
        if (this.#ended) return;
        if (reply !== undefined) this.#reply(reply);
        else this.#advance(stage, next);
      },
      (error: unknown) => {
        if (!this.#ended) this.#pluginFailed(plugin, error);
      },
    );
  }

  #pluginFailed(plugin: string, error: unknown): void {
    this.#env.log.error(`plugin ${plugin} failed on route ${this.ctx.route.id}: ${failureReport(error)}`);
    this.#fail("PLUGIN_FAILED");
  }

  #proxy(): void {
    const { found, enableWebsocket } = this.#plan;
    const upstream = chosenUpstream(this.#plan, this.ctx.outgoing?.choice ?? null);
    if (!found) {
      const answer = this.#localAnswer(404, "text/plain");
      this.#send(answer, NOT_FOUND, 0, NOT_FOUND.length, true, null);
    } else if (this.ctx.bodyLimit > 0 && this.#early !== null && this.#early.length > this.ctx.bodyLimit) {
      // It was read before the limit was set.
      this.#fail("DOWNSTREAM_BODY_TOO_LARGE");
    } else if (upstream === null) this.#fail("UPSTREAM_NO_NODE");
    else {
      const upgrade = enableWebsocket ? this.ctx.head.upgrade : null;
      const replaced = this.ctx.outgoing?.body ?? null;
      this.#relay = upstream.grpc
        ? new (loadGrpc().GrpcRelay)(this, this.#env, this.#downstream, upstream)
        : new Relay(this, this.#env, this.#downstream, upstream, upgrade);
      this.#relay.start(replaced === null ? this.#early : EarlyBody.of(replaced));
    }
  }

  // ---- answers made here

  #localAnswer(status: number, type: string): Answer {
    const answer = new Answer(status, null);
    answer.push("Date", httpDate());
    if (type !== "") answer.push("Content-Type", type);
    return answer;
  }

  #reply(reply: Reply): void {
    let answer: Answer;
    try {
      answer = new Answer(reply.status, null);
      answer.push("Date", httpDate());
      for (const [name, value] of reply.headers) answer.addHeader(name, value);
    } catch (error) {
      this.#env.log.error(`reply of a plugin on route ${this.ctx.route.id}: ${reasonOf(error)}`);
      this.#fail("PLUGIN_FAILED");
      return;
    }
    const page = reply.body.length === 0 && reply.status >= 300;
    const body = page ? statusPage(reply.status, this.#env.serverName) : reply.body;
    const bytes = typeof body === "string" ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.length);
    if (answer.header("content-type") === undefined && bytes.length > 0) {
      answer.push("Content-Type", page ? "text/html" : "text/plain");
    }
    if (page || bytes.length === 0) answer.ownLength = bytes.length;
    this.#send(answer, bytes, 0, bytes.length, true, null);
  }

  /** Answers with the page of an error, or cuts an answer that has begun. */
  #fail(code: ErrorCode, detail = ""): void {
    if (this.#ended) return;
    this.#relay?.cancel();
    if (this.#watched) {
      // The answer is out, whatever became of the body that it replaced.
      this.#end(true);
      return;
    }
    if (this.#answer !== null) {
      this.#cut();
      return;
    }
    const { status } = errors[code];
    const more = detail === LINE_TOO_LONG ? detail : "";
    const page = Buffer.from(statusPage(status, this.#env.serverName, more));
    const answer = this.#localAnswer(status, "text/html");
    answer.ownLength = page.length;
    this.#send(answer, page, 0, page.length, true, null);
  }

  // ---- the relay's side

  responseHead(head: ResponseText, buffer: Buffer, from: number, to: number, complete: boolean): boolean {
    this.ctx.nodeBodyBytes = to - from;
    return this.#send(new Answer(head.status, head), buffer, from, to, complete, this.#relay!.source);
  }

  responseBody(buffer: Buffer, from: number, to: number, complete: boolean, trailers: string): boolean {
    this.ctx.nodeBodyBytes += to - from;
    if (this.#ended) return true;
    if (this.#replaced) {
      this.#filters?.watch(buffer.subarray(from, to), complete);
      if (complete) this.#end(true);
      return true;
    }
    return this.#sendBody(buffer, from, to, complete, trailers, this.#relay!.source);
  }

  relayFailed(code: ErrorCode, detail: string, began: boolean): void {
    if (this.#ended) return;
    const { ctx } = this;
    const node = ctx.attempts.at(-1)?.address ?? this.#plan.upstream?.key ?? "";
    const when = began ? " while it was answering" : "";
    this.#env.log.error(
      `upstream ${node}${when}: ${detail} (${code}), ${ctx.method} ${ctx.uri}, route ${ctx.route.id}`,
    );
    this.#fail(code);
  }

  // ---- the client's side

  requestBody(buffer: Buffer, from: number, to: number, complete: boolean, trailers: string): boolean {
    if (this.ctx.bodyCapture !== null) this.ctx.bodyCapture.add(buffer, from, to);
    if (this.#relay !== null) return this.#relay.requestBody(buffer, from, to, complete, trailers);
    if (this.#early === null || this.#ended) return true;
    this.#early.add(buffer.subarray(from, to), complete, trailers);
    return true;
  }

  requestFailed(code: ErrorCode, detail: string): void {
    this.#fail(code, detail);
  }

  drained(): void {
    this.#relay?.resume();
  }

  cancelled(): void {
    if (this.#ended || this.#watched) return;
    this.#relay?.cancel();
    if (this.ctx.status === 0) this.ctx.status = CLIENT_CLOSED;
    this.#end(false);
  }

  // ---- the answer

  #send(
    given: Answer,
    buffer: Buffer,
    from: number,
    to: number,
    complete: boolean,
    source: BufferOwner | null,
  ): boolean {
    const { ctx } = this;
    if (ctx.attempts.length > 0) nameUpstreamStatus(given, ctx.attempts, this.#env.settings.showUpstreamStatus);
    // What filters may have conditions on.
    ctx.answer = given;
    ctx.status = given.status;
    const answer = this.#filterHead(given);
    if (answer === null) return true;
    this.#answer = ctx.answer = answer;
    ctx.status = answer.status;
    const extra = this.#env.answerLines();
    let flowing: boolean;
    if (answer.replacement === null && this.#plan.bodyFilter === null) {
      if (ctx.method !== "HEAD") this.ctx.sending(buffer, from, to);
      flowing = this.#downstream.head(answer, extra, buffer, from, to, complete, source);
    } else flowing = this.#sendFiltered(answer, extra, buffer, from, to, complete);
    if (complete || (this.#replaced && !this.#watched)) this.#end(true);
    return flowing;
  }

  /** Runs the header filters; a page of 500 if one throws. `null`: it was sent already. */
  #filterHead(answer: Answer): Answer | null {
    const filters = this.#plan.headerFilter;
    if (filters === null || answer.upgrade !== null) return answer;
    for (const { plugin, run, place } of filters) {
      answer.place = place;
      try {
        run(this.ctx, answer);
      } catch (error) {
        this.#plan = this.#plan.withoutFilters();
        this.#pluginFailed(plugin, error);
        return null;
      }
    }
    return answer;
  }

  #sendFiltered(answer: Answer, extra: string, buffer: Buffer, from: number, to: number, complete: boolean): boolean {
    const { replacement } = answer;
    const handlers = answer.upgrade === null ? this.#plan.bodyFilter : null;
    const filters = (this.#filters = new BodyFilters(handlers ?? [], this.ctx, this.#env.log));
    let body: Buffer;
    let last = complete;
    if (replacement === null) body = Buffer.from(buffer.subarray(from, to));
    else {
      body = Buffer.from(replacement);
      last = this.#replaced = true;
      filters.replacedAt(answer.replacedAt);
      filters.watch(buffer.subarray(from, to), complete);
    }
    const filtered = filters.run(body, last);
    if (filtered === null) {
      // Nothing was sent yet: the answer can still be another one.
      this.#plan = this.#plan.withoutFilters();
      this.#answer = null;
      this.#replaced = false;
      this.#fail("PLUGIN_FAILED");
      return true;
    }
    // With the whole body here its length is sure; else filters either promised to keep it or made it unknown.
    // An answer to HEAD has no body that could tell, unless its body was replaced.
    if (last && (replacement !== null || this.ctx.method !== "HEAD")) {
      answer.streamed = false;
      answer.ownLength = filtered.length;
    }
    if (!answer.streamed && answer.contentLength >= 0) this.#announced = answer.contentLength;
    if (this.ctx.method !== "HEAD") this.ctx.sending(filtered, 0, filtered.length);
    this.#announced -= filtered.length;
    if (replacement !== null && !complete && !this.#watched) this.#relay?.cancel();
    return this.#downstream.head(answer, extra, filtered, 0, filtered.length, last, null);
  }

  #sendBody(
    buffer: Buffer,
    from: number,
    to: number,
    complete: boolean,
    trailers: string,
    source: BufferOwner | null,
  ): boolean {
    let flowing: boolean;
    if (this.#filters === null) {
      this.ctx.sending(buffer, from, to);
      flowing = this.#downstream.body(buffer, from, to, complete, trailers, source);
    } else {
      this.ctx.trailers = trailers;
      const filtered = this.#filters.run(Buffer.from(buffer.subarray(from, to)), complete);
      if (filtered === null) {
        this.#relay?.cancel();
        this.#cut();
        return true;
      }
      this.#announced -= filtered.length;
      if (this.#announced < 0 || (complete && this.#announced > 0 && this.#announced !== Infinity)) {
        this.#env.log.error(`body filters on route ${this.ctx.route.id} changed the length without streamBody()`);
        this.#relay?.cancel();
        this.#cut();
        return true;
      }
      this.ctx.sending(filtered, 0, filtered.length);
      flowing = this.#downstream.body(filtered, 0, filtered.length, complete, this.ctx.trailers, null);
    }
    if (complete) this.#end(true);
    return flowing;
  }

  /** The answer is out, and the body that it replaced is still read for those who have use for it. */
  get #watched(): boolean {
    return this.#replaced && this.#filters !== null && this.#filters.watching;
  }

  /** The answer cannot be completed. */
  #cut(): void {
    if (this.#ended) return;
    this.#downstream.abort();
    this.#end(false);
  }

  /** @param whole whether the answer was sent whole. */
  #end(whole: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    const { ctx } = this;
    ctx.completed = whole;
    const env = this.#env;
    env.requests++;
    ctx.bytesSent = this.#downstream.bytesSent;
    if (this.timed) ctx.endedTicks = performance.now();
    const handlers = this.#plan.log;
    if (handlers !== null) {
      for (const { plugin, run } of handlers) {
        try {
          run(ctx);
        } catch (error) {
          env.log.error(`plugin ${plugin} failed in log on route ${ctx.route.id}: ${failureReport(error)}`);
        }
      }
    }
    env.accessLog?.write(ctx);
    this.#downstream.finished();
  }
}

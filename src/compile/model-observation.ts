import type { CertificateIndex } from "../tls/certificate-index.ts";
import type { Consumer, RequestContext } from "../plugin/context.ts";
import type { StreamUpstream, Upstream, UpstreamNode } from "../upstream/upstream.ts";
import type { WorkerEngine } from "./engine.ts";
import type { Handler, Plan } from "./plan.ts";
import type { StreamPlan } from "./stream/stream-plan.ts";
import { request, type Trace } from "./testing.ts";

/** What `engine.model.test.ts` looks at: everything of an engine that a request, a stream or a handshake could tell. */

const asked: readonly Parameters<typeof request>[0][] = ["a.test", "x.b.test", "c.test"].flatMap((host) =>
  ["/a", "/b/c?a=1", "/c"].flatMap((uri) => ["GET", "POST"].map((method) => ({ host, uri, method }))),
);
const ends = [null, "a.test", "x.test"].flatMap((sni) =>
  [9100, 9101].map((serverPort) => ({ remoteAddr: "127.0.0.1", serverAddr: "127.0.0.1", serverPort, sni })),
);
const presented = ["k1", "k2"];
const usernames = ["u1", "u2"];

/** @param trace what handlers of this engine's plugins write into. */
export function observe(engine: WorkerEngine, trace: Trace): Readonly<Record<string, unknown>> {
  const seen = look(engine, trace);
  return JSON.parse(JSON.stringify(seen)) as Readonly<Record<string, unknown>>;
}

function look(engine: WorkerEngine, trace: Trace): object {
  const { consumers } = engine;
  const known = [
    ...presented.map((key) => [key, consumers.byKey("key-auth", key)] as const),
    ...usernames.map((name) => [name, consumers.byName(name)] as const),
  ];
  return {
    hash: String(engine.hash),
    resources: engine
      .resources()
      .map(({ kind, id, text }) => `${kind}/${id} ${text}`)
      .sort(),
    targets: engine
      .targets()
      .map((entry) => JSON.stringify(entry))
      .sort(),
    consumers: known.map(([key, consumer]) => [key, consumer && describeConsumer(consumer)]),
    plans: asked.map((fields) => {
      const plan = engine.match(request(fields), null);
      const merged = known.map(([, consumer]) => consumer && describePlan(plan.withConsumer(consumer), trace));
      return { fields, plan: describePlan(plan, trace), merged };
    }),
    streams: ends.map((one) => ({ ...one, plan: describeStream(engine.matchStream(one), trace) })),
    certificates: describeCertificates(engine.certificates),
  };
}

function describeConsumer({ username, groupId, customId, credentialId, authConf, plugins }: Consumer): object {
  return {
    username,
    groupId,
    customId,
    credentialId,
    authConf,
    plugins: JSON.stringify(Object.entries(plugins).sort()),
  };
}

function describePlan(plan: Plan, trace: Trace): object {
  const head = { status: 200, headers: [] };
  const { found, route, upstream, timeout, enableWebsocket } = plan;
  return {
    found,
    route,
    timeout,
    enableWebsocket,
    rewrite: run(plan.rewrite, trace),
    consumerRewrite: run(plan.consumerRewrite, trace),
    access: run(plan.access, trace),
    beforeProxy: run(plan.beforeProxy, trace),
    headerFilter: run(plan.headerFilter, trace, (filter, ctx) => filter(ctx, head as never)),
    bodyFilter: run(plan.bodyFilter, trace, (filter, ctx) => filter(ctx, Buffer.alloc(0), true)),
    log: run(plan.log, trace),
    bodyUses: plan.bodyUses?.toSorted(),
    upstream: upstream && describeUpstream(upstream),
  };
}

function describeStream(plan: StreamPlan | null, trace: Trace): object | null {
  if (plan === null) return null;
  const { route, access, log, upstream } = plan;
  const described = upstream && describeUpstream(upstream);
  return { route, access: run(access, trace), log: run(log, trace), upstream: described };
}

/** What handlers do with a request for which filters hold, and with one for which they do not. */
function run<F>(
  handlers: readonly (Handler<F> & { readonly place?: number })[] | null,
  trace: Trace,
  call: (run: F, ctx: RequestContext) => unknown = (handler, ctx) => (handler as (ctx: RequestContext) => unknown)(ctx),
): readonly unknown[] | null {
  if (handlers === null) return null;
  return ["/?a=1", "/"].flatMap((uri) => {
    const ctx = request({ uri });
    return handlers.map(({ plugin, run: handler, place }) => {
      trace.length = 0;
      const answer = call(handler, ctx);
      return { plugin, place, said: [...trace], answer: JSON.stringify(answer) };
    });
  });
}

/** Nodes with how they are picked: in which order where they have one, otherwise which ones at all. */
export function describeUpstream(upstream: Upstream | StreamUpstream): object {
  const { picker, tls, nodes, ...fields } = upstream;
  const chash = picker.constructor.name === "TieredPicker" && picker.feedback === null;
  const picks = ["/", "/?a=1", "/?a=2"].map((uri) => {
    const tried: UpstreamNode[] = [];
    while (tried.length < nodes.length) {
      const node = picker.pick(tried, request({ uri }));
      if (node === null) break;
      tried.push(node);
    }
    const addresses = tried.map(({ address }) => address);
    return chash ? addresses : addresses.sort();
  });
  return {
    ...fields,
    nodes: nodes.map((node) => ({ ...node, lookup: node.lookup !== undefined })),
    tls: tls && { id: tls.id, verify: tls.verify, sendsName: tls.sendsName },
    picker: picker.constructor.name,
    feedback: picker.feedback?.constructor.name,
    picks,
  };
}

function describeCertificates(certificates: CertificateIndex): object {
  const found = ["a.test", "b.test", "x.test", "test", "west", "x.y"].map((name) => {
    const certificate = certificates.find(name);
    return { name, certificate: certificate && certificate.read(), client: certificate?.client };
  });
  return { found, asksClients: certificates.asksClients };
}

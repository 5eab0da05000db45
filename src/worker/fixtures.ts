import { Board, type WorkerRecord } from "../board/board.ts";
import type { Engine, Plan } from "../compile/plan.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { Settings } from "../settings/settings.ts";
import { NodeTlsSource, TrustedAuthorities } from "../upstream/node-tls.ts";
import { CertificateIndex } from "../tls/certificate-index.ts";
import { createRoundRobin } from "../upstream/picker.ts";
import { nodeAt } from "../upstream/testing.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { AccessLogSink } from "./environment.ts";
import { createHttpServer, type HttpServer } from "./http-server.ts";
import { noPlan } from "./no-plan.ts";

/** Parts to run the data plane without configuration, for tests and benchmarks. */

/** Settings with APISIX's defaults; `http` overrides rows of them. */
export function settingsWith(http: Partial<Settings["http"]> = {}, top: Partial<Settings> = {}): Settings {
  return {
    prefix: "/",
    configFile: "/conf/config.yaml",
    workers: 1,
    http: {
      listen: [{ ip: "127.0.0.1", port: 0, tls: false, http2: false, proxyProtocol: false }],
      deleteUriTailSlash: false,
      normalizeUriLikeServlet: false,
      charset: "utf-8",
      keepaliveTimeoutMs: 60_000,
      keepaliveRequests: 1_000_000,
      clientHeaderTimeoutMs: 60_000,
      clientBodyTimeoutMs: 60_000,
      clientMaxBodySize: 0,
      sendTimeoutMs: 60_000,
      underscoresInHeaders: true,
      maxRequestLine: 8_192,
      maxHeaderLine: 8_192,
      maxHead: 32_768,
      workerConnections: 10_620,
      realIpHeader: "X-Real-IP",
      realIpRecursive: false,
      realIpFrom: ["127.0.0.1"],
      trustedAddresses: null,
      ...http,
    },
    stream: null,
    tls: null,
    upstream: {
      keepalive: 320,
      keepaliveRequests: 1_000,
      keepaliveTimeoutMs: 60_000,
      maxHead: 4_096,
      serverName: true,
    },
    trustedCertificates: null,
    matching: { encodedSlash: false, graphqlMaxSize: 1_048_576, postArgMaxSize: 67_108_864 },
    dns: { servers: null, validMs: null, timeoutMs: 5_000, search: true, ipv6: true },
    discovery: { dns: null, consul: null, kubernetes: [] },
    healthChecksOff: false,
    router: "radixtree_host_uri",
    status: null,
    control: null,
    source: { kind: "yaml", file: "/conf/apisix.yaml" },
    role: "data_plane",
    admin: null,
    dataEncryption: { enabled: true, keyring: ["qeddd145sfvddff3"] },
    proxyMode: "http",
    shutdown: { delayMs: 0, timeoutMs: 1_000 },
    log: { errorLog: "/dev/stderr", level: "warn", access: null },
    plugins: [],
    prometheus: null,
    extraPlugins: [],
    streamPlugins: [],
    pluginAttr: {},
    showRevision: false,
    showUpstreamStatus: false,
    serverTokens: true,
    tcpMigrateReq: false,
    nodeId: null,
    ...top,
  };
}

let keys = 0;
const nodeTls = new NodeTlsSource(new TrustedAuthorities(null));

/** An upstream over these ports of this machine. */
export function upstreamOf(ports: readonly number[], changes: Partial<Upstream> = {}): Upstream {
  const nodes = ports.map((port) => nodeAt(port));
  const key = `upstreams/${++keys}`;
  const { scheme = "http" } = changes;
  return {
    key,
    scheme,
    grpc: scheme === "grpc" || scheme === "grpcs",
    tls: scheme === "https" || scheme === "grpcs" ? nodeTls.get(false, null) : null,
    passHost: "pass",
    upstreamHost: "",
    retries: nodes.length - 1,
    retryTimeoutMs: 0,
    connectTimeoutMs: 60_000,
    sendTimeoutMs: 60_000,
    readTimeoutMs: 60_000,
    keepalive: 320,
    keepaliveTimeoutMs: 60_000,
    keepaliveRequests: 1_000,
    nodes,
    picker: createRoundRobin(key, nodes),
    bodyUses: [],
    ...changes,
  };
}

/** A plan that proxies to the upstream. */
export function planFor(upstream: Upstream | null, changes: Partial<Plan> = {}): Plan {
  const plan: Plan = {
    ...noPlan,
    found: true,
    route: { ...noPlan.route, id: "r1" },
    upstream,
    withConsumer: () => plan,
    ...changes,
  };
  return plan;
}

/** An engine whose routes are this function. */
export function engineOf(match: (ctx: RequestContext) => Plan): Engine {
  return {
    match,
    apply: () => [],
    replace: () => [],
    resources: () => [],
    hash: 0n,
  };
}

/** Starts the data plane on a free port of 127.0.0.1; what is logged is collected. */
export async function startServer(
  match: (ctx: RequestContext) => Plan,
  settings: Settings = settingsWith(),
  accessLog: AccessLogSink | null = null,
): Promise<{ server: HttpServer; port: number; logged: string[]; record: WorkerRecord }> {
  const logged: string[] = [];
  const log = { warn: (message: string) => logged.push(message), error: (message: string) => logged.push(message) };
  const record = new Board().record(0);
  const tickets = { epoch: 0, secret: new Uint8Array(32) };
  const server = createHttpServer({
    settings,
    engine: engineOf(match),
    certificates: new CertificateIndex(),
    tickets,
    record,
    slot: 0,
    accessLog,
    log,
  });
  const [address] = await server.listen(settings.http.listen);
  return { server, port: address!.port, logged, record };
}
